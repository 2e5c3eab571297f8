// CHUNKING alone: the input follows an open transaction. The octets that the machine takes are
// checked against a plain reading of the sizes, and the engine's answers against other cuts.
#include "protocol/smtp/bdat.h"
#include "tests/fuzz/smtp_play.h"

#include <cstddef>
#include <cstdint>

namespace {

using namespace godwit;

void drive_state(std::string_view input) {
  smtp::BdatState state;
  while (!input.empty()) {
    if (state.takes_octets()) {
      const std::string_view octets = state.take(input);
      GODWIT_ASSERT(octets.data() == input.data() && !octets.empty());
      input.remove_prefix(octets.size());
      continue;
    }
    const size_t end = std::min(input.find('\n'), input.size() - 1);
    smtp::BdatArgument argument;
    if (smtp::parse_bdat(input.substr(0, end), argument) == smtp::BdatSyntax::good) {
      state.start(argument);
    } else if (input.front() == 'R') {
      state.reset();
    } else {
      smtp::ReplyId reply;
      const bool refused = state.refuses(smtp::Verb::data, reply);
      GODWIT_ASSERT(!refused || state.is_failed());
    }
    input.remove_prefix(end + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  drive_state(input);
  smtp::ServerLimits limits;
  limits.enforce_sync = false;
  limits.message_size_limit = 1000;
  std::string session = "EHLO a\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nBDAT ";
  session += input;
  const fuzz::Played whole = fuzz::play(limits, session, session.size());
  GODWIT_ASSERT(fuzz::play(limits, session, 1) == whole);
  GODWIT_ASSERT(fuzz::play(limits, session, 3) == whole);
  return 0;
}
