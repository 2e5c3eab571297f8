// MessageId: the name of a message in the spool, the logs and the command line, in Exim's form
// "tttttt-ppppppppppp-ssss" (base 62: seconds, process, fraction), 23 characters. The 16-character
// form of Exim <= 4.96 is read too.
// MessageIdGenerator: strictly increasing, unique ids without coordination. Its argument:
//  - Within one generator: `stamp` (seconds and fraction) strictly increases, whatever the clock
//    does: where it stands still or steps back, the generator counts on from its last stamp.
//  - Between generators that run at the same time: the middle field differs, because it holds the
//    pid (22 bits: Linux's PID_MAX_LIMIT is 2^22), the worker number (9 bits) and the start stamp.
//  - Between a process and a later one with the same pid: the start stamp differs, hundredths of a
//    second modulo 2^33 (994 days). Where even that is the same, `stamp` differs: the clock moved
//    on.
//  - The only way to a duplicate is a clock set back across a restart that also gets the same pid
//    and the same start stamp to the hundredth; the spool refuses an id that it already holds.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::message {

inline constexpr size_t kMessageIdBytes = 23;
inline constexpr size_t kOldMessageIdBytes = 16;

// A value of at most 23 characters; compares as text, which is the order of time.
class MessageId {
 public:
  MessageId() = default;
  // Either form; malformed otherwise.
  static Result<MessageId> parse(std::string_view text);
  // Seconds, 64-bit process value (below 62^11) and fraction (below 62^4), each of which is cut.
  static MessageId make(uint64_t seconds, uint64_t process, uint32_t fraction);

  std::string_view text() const noexcept { return {text_.data(), size_}; }
  std::string to_string() const { return std::string(text()); }
  bool empty() const noexcept { return size_ == 0; }
  bool is_old_form() const noexcept { return size_ == kOldMessageIdBytes; }
  // Seconds since 1970 of the first field.
  int64_t seconds() const noexcept;
  auto operator<=>(const MessageId&) const = default;

 private:
  std::array<char, kMessageIdBytes> text_{};
  uint8_t size_ = 0;
};

class MessageIdGenerator {
 public:
  // `pid` of this process, `worker` its number below 512 (so that threads may have one each),
  // `start` when it started.
  MessageIdGenerator(uint32_t pid, uint32_t worker, WallTime start) noexcept;

  MessageId next(WallTime now) noexcept;

 private:
  uint64_t process_;
  uint64_t last_stamp_ = 0;  // units of 1 / kFractionsPerSecond seconds
};

// Units of the third field: microseconds; 62^4 is 14.7 million.
inline constexpr uint64_t kFractionsPerSecond = 1'000'000;

}  // namespace godwit::message
