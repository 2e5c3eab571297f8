#include "daemon/callout_record.h"

#include "core/base/ascii.h"

namespace godwit::daemon {
namespace {

Known known_of(char c) {
  return c == 'a' ? Known::accepts : c == 'r' ? Known::rejects : Known::nothing;
}

}  // namespace

std::string CalloutRecord::encoded() const {
  return std::to_string(seconds) + ' ' + static_cast<char>(result) + static_cast<char>(postmaster) +
         static_cast<char>(random);
}

std::optional<CalloutRecord> CalloutRecord::decoded(std::string_view text) {
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos || text.size() != blank + 4) return std::nullopt;
  const std::optional<uint64_t> seconds = parse_decimal(text.substr(0, blank));
  if (!seconds) return std::nullopt;
  return CalloutRecord{static_cast<int64_t>(*seconds), known_of(text[blank + 1]),
                       known_of(text[blank + 2]), known_of(text[blank + 3])};
}

std::optional<WallTime> callout_asked_at(std::string_view record) {
  const std::optional<CalloutRecord> known = CalloutRecord::decoded(record);
  if (!known) return std::nullopt;
  return WallTime{known->seconds * 1'000'000};
}

}  // namespace godwit::daemon
