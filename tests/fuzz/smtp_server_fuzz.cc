// The whole server engine: the same answers and messages however the input is cut, and every byte
// of output is a well-formed reply. The first byte chooses limits.
#include "tests/fuzz/smtp_play.h"

#include <cstddef>
#include <cstdint>

namespace {

struct AnyFromLine final : godwit::message::LineMatcher {
  bool matches(std::string_view line) const override { return line.starts_with("From "); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit;
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  smtp::ServerLimits limits;
  limits.bare_line_ends = static_cast<smtp::BareLineEnds>(data[0] % 3);
  limits.message_size_limit = (data[0] & 4) != 0 ? 100 : 0;
  limits.enforce_sync = (data[0] & 8) != 0;
  limits.recipients_max = (data[0] & 16) != 0 ? 2 : 0;
  limits.accepts_early = (data[0] & 64) != 0;
  const AnyFromLine any_from_line;
  if ((data[0] & 128) != 0) limits.from_lines = &any_from_line;
  limits.max_synprot_errors = (data[0] & 32) != 0 ? 3 : 1000;
  const fuzz::Played whole = fuzz::play(limits, input, input.size() + 1);
  // What is out of synchronisation depends on how the input comes.
  if (limits.enforce_sync) return 0;
  GODWIT_ASSERT(fuzz::play(limits, input, 1) == whole);
  GODWIT_ASSERT(fuzz::play(limits, input, 7) == whole);
  return 0;
}
