// Responses of name servers, of any type of question. The first octets choose the question.
#include "core/base/assert.h"
#include "dns/wire/limits.h"
#include "dns/wire/message.h"
#include "dns/wire/name.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto type = static_cast<dns::RrType>(static_cast<unsigned>(data[0]));
  const std::string_view message = bytes.substr(1);
  // The question that the message repeats, so that it is read on.
  size_t at = dns::kHeaderBytes;
  const std::optional<std::string> asked = dns::read_name(message, at);
  dns::Question question{asked.value_or(std::string("\1a\0", 3)), type};
  const Result<dns::Response> response = dns::parse_response(message, question);
  if (response) {
    GODWIT_ASSERT(response->records.size() <= dns::kRecordsKeptMax);
    for (const dns::Record& record : response->records) GODWIT_ASSERT(record.type == type);
  }
  if (asked) {
    const Result<std::string> again = dns::name_to_wire(dns::name_to_text(*asked));
    GODWIT_ASSERT(again && *again == *asked);
  }
  const Result<std::string> wire = dns::name_to_wire(bytes);
  GODWIT_ASSERT(!wire || wire->size() <= dns::kNameBytesMax);
  return 0;
}
