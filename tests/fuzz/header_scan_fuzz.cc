// Header sections: cuts change nothing, and the places of the fields follow one another.
#include "core/base/assert.h"
#include "protocol/message/header_scan.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace {

using namespace godwit::message;

void feed(HeaderScanner& scanner, std::string_view text, size_t piece) {
  for (size_t at = 0; at < text.size(); at += piece) scanner.feed(text.substr(at, piece));
  scanner.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const HeaderLimits limits{.header_bytes_max = 200, .line_bytes_max = 100, .received_max = 2};
  HeaderScanner whole(limits);
  feed(whole, text, size + 1);
  HeaderScanner bytes(limits);
  feed(bytes, text, 1);
  GODWIT_ASSERT(whole.verdict() == bytes.verdict());
  GODWIT_ASSERT(whole.body_offset() == bytes.body_offset());
  GODWIT_ASSERT(whole.header_bytes() == bytes.header_bytes());
  GODWIT_ASSERT(whole.body_lines() == bytes.body_lines());
  GODWIT_ASSERT(whole.line_bytes_longest() == bytes.line_bytes_longest());
  GODWIT_ASSERT(whole.message_bytes() == size);
  GODWIT_ASSERT(whole.fields().size() == bytes.fields().size());
  GODWIT_ASSERT(whole.header_bytes() <= whole.body_offset() && whole.body_offset() <= size);
  uint64_t at = 0;
  for (const FieldPlace& field : whole.fields()) {
    GODWIT_ASSERT(field.offset == at);
    at += field.bytes;
  }
  if (whole.fields_complete()) GODWIT_ASSERT(at == whole.header_bytes());
  return 0;
}
