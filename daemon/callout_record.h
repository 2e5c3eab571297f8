// What the hints database "callout" keeps: what hosts said of an address or a domain, and whether a
// mailbox had room. One record a key.
#pragma once

#include "core/base/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::daemon {

// What is known of an address or of something that a domain does.
enum class Known : char { nothing = '-', accepts = 'a', rejects = 'r' };

// "seconds result postmaster random"; of an address or a mailbox the result alone counts.
struct CalloutRecord {
  int64_t seconds = 0;
  Known result = Known::nothing;
  Known postmaster = Known::nothing;
  Known random = Known::nothing;

  std::string encoded() const;
  static std::optional<CalloutRecord> decoded(std::string_view text);
};

// When the answer in a record was given; nothing for bytes that are no record.
std::optional<WallTime> callout_asked_at(std::string_view record);

}  // namespace godwit::daemon
