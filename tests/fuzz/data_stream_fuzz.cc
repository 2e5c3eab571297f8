// DATA: the end is where CRLF "." CRLF is and nowhere else; cuts change nothing; and what comes out
// goes through DotStuffer and back unchanged.
#include "core/base/assert.h"
#include "protocol/smtp/data_stream.h"
#include "protocol/smtp/dot_stuff.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace godwit;

struct Taken {
  std::string text;
  size_t consumed = 0;
  bool ended = false;
  bool operator==(const Taken&) const = default;
};

Taken feed(std::string_view bytes, smtp::BareLineEnds policy, size_t piece) {
  smtp::DataStream stream(policy);
  Taken taken;
  for (size_t at = 0; at < bytes.size() && !taken.ended; at += piece) {
    std::string_view rest = bytes.substr(at, piece);
    while (!rest.empty() && !taken.ended) {
      const smtp::DataStream::Step step = stream.take(rest);
      taken.text += step.text;
      taken.consumed += step.consumed;
      taken.ended = step.ended;
      rest.remove_prefix(step.consumed);
    }
  }
  return taken;
}

void check_stuffing(std::string_view text, size_t piece) {
  smtp::DotStuffer stuffer;
  std::vector<std::string_view> segments;
  for (size_t at = 0; at < text.size(); at += piece) stuffer.take(text.substr(at, piece), segments);
  stuffer.finish(segments);
  std::string wire;
  for (const std::string_view segment : segments) wire += segment;
  const Taken back = feed(wire, smtp::BareLineEnds::reject, wire.size());
  GODWIT_ASSERT(back.ended && back.consumed == wire.size());
  GODWIT_ASSERT(smtp::is_canonical(back.text));
  if (smtp::is_canonical(text) && (text.empty() || text.ends_with('\n'))) {
    GODWIT_ASSERT(back.text == text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string framed = "\r\n" + std::string(input);
  const size_t end = framed.find("\r\n.\r\n");
  for (const auto policy :
       {smtp::BareLineEnds::reject, smtp::BareLineEnds::replace, smtp::BareLineEnds::keep}) {
    const Taken whole = feed(input, policy, size + 1);
    GODWIT_ASSERT(whole.ended == (end != std::string::npos));
    if (whole.ended) GODWIT_ASSERT(whole.consumed == end + 3);
    GODWIT_ASSERT(feed(input, policy, 1) == feed(input, policy, 2));
    if (whole.ended) GODWIT_ASSERT(feed(input, policy, 1) == whole);
    check_stuffing(whole.text, 1);
    check_stuffing(whole.text, whole.text.size() + 1);
  }
  return 0;
}
