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
// IdForm::short_form ("tttttt-pppppp-ss", for log tools that know no other) has less room, and the
// argument is this one:
//  - The middle field is below 62^6: the whole pid (22 bits) times 13542 values of the start stamp,
//    hundredths of a second modulo 135.42 s. The worker number has no room and is not needed where
//    every worker is a process: two generators at one time must have two pids.
//  - The last field counts 3844ths of a second. Who asks for more ids in a second goes on into the
//    next one, so a generator may be ahead of the clock; it never waits and never repeats itself.
//  - A later process with the same pid starts when the clock is past the stamps of the earlier one,
//    or, where that one was ahead, differs in the start stamp. A duplicate takes the same pid,
//    stamps ahead of the clock (or a clock set back), and starts a multiple of 135.42 s apart.
// localhost_number keeps hosts apart that share names of messages: it is counted in the last field,
// in steps of the fractions that a second has, of which there are fewer then (a half of the long
// form's, 200 of the short one's). The arguments above hold for each host.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::message {

inline constexpr size_t kMessageIdBytes = 23;
inline constexpr size_t kOldMessageIdBytes = 16;

// What a generator makes. Both forms are read everywhere.
enum class IdForm : uint8_t { long_form, short_form };

// A value of at most 23 characters; compares as text, which is the order of time.
class MessageId {
 public:
  MessageId() = default;
  // Either form; malformed otherwise.
  static Result<MessageId> parse(std::string_view text);
  // Seconds, 64-bit process value (below 62^11) and fraction (below 62^4), each of which is cut.
  static MessageId make(uint64_t seconds, uint64_t process, uint32_t fraction);
  // The short form: `process` is below 62^6, `fraction` below 62^2.
  static MessageId make_short(uint64_t seconds, uint64_t process, uint32_t fraction);

  std::string_view text() const noexcept { return {text_.data(), size_}; }
  std::string to_string() const { return std::string(text()); }
  bool empty() const noexcept { return size_ == 0; }
  bool is_old_form() const noexcept { return size_ == kOldMessageIdBytes; }
  // Seconds since 1970 of the first field.
  int64_t seconds() const noexcept;
  auto operator<=>(const MessageId&) const = default;

 private:
  // `text` has one of the two shapes.
  explicit MessageId(std::string_view text) noexcept;

  std::array<char, kMessageIdBytes> text_{};
  uint8_t size_ = 0;
};

class MessageIdGenerator {
 public:
  // `pid` of this process, `worker` its number below 512 (so that threads may have one each),
  // `start` when it started. The short form leaves the worker number out: one generator a process.
  // `host`: localhost_number, at most kHostNumberMax.
  MessageIdGenerator(uint32_t pid, uint32_t worker, WallTime start, IdForm form = IdForm::long_form,
                     std::optional<uint32_t> host = {}) noexcept;

  MessageId next(WallTime now) noexcept;

 private:
  IdForm form_;
  uint64_t units_;     // fractions of a second
  uint32_t host_ = 0;  // what the number of the host adds to them
  uint64_t process_;
  uint64_t last_stamp_ = 0;  // seconds / units_
};

// Units of the third field: microseconds; 62^4 is 14.7 million.
inline constexpr uint64_t kFractionsPerSecond = 1'000'000;
// The same of the short form: all of 62^2.
inline constexpr uint64_t kShortFractionsPerSecond = 3'844;
// With localhost_number.
inline constexpr uint64_t kHostFractionsPerSecond = 500'000;
inline constexpr uint64_t kShortHostFractionsPerSecond = 200;
inline constexpr uint32_t kHostNumberMax = 16;

}  // namespace godwit::message
