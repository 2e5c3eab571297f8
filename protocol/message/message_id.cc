#include "protocol/message/message_id.h"

#include "core/base/ascii.h"

#include <algorithm>

namespace godwit::message {
namespace {

constexpr size_t kSecondsDigits = 6;
constexpr size_t kProcessDigits = 11;
constexpr size_t kFractionDigits = 4;
constexpr uint64_t kSecondsEnd = 56'800'235'584;  // 62^6
constexpr uint32_t kFractionEnd = 14'776'336;     // 62^4
constexpr size_t kShortProcessDigits = 6;
constexpr size_t kShortFractionDigits = 2;
constexpr uint64_t kShortProcessEnd = 56'800'235'584;  // 62^6
constexpr uint64_t kMicrosPerSecond = 1'000'000;
constexpr unsigned kPidBits = 22;
constexpr unsigned kWorkerBits = 9;
constexpr unsigned kStartBits = 33;
static_assert(kPidBits + kWorkerBits + kStartBits == 64);
static_assert(kSecondsDigits + kProcessDigits + kFractionDigits + 2 == kMessageIdBytes);
static_assert(kFractionsPerSecond < kFractionEnd);
static_assert((kHostNumberMax + 1) * kHostFractionsPerSecond <= kFractionEnd);
static_assert((kHostNumberMax + 1) * kShortHostFractionsPerSecond <= kShortFractionsPerSecond);
// Start stamps of the short form: what the pid leaves of 62^6.
constexpr uint64_t kShortStarts = kShortProcessEnd >> kPidBits;
static_assert(kShortStarts == 13'542);
static_assert(kSecondsDigits + kShortProcessDigits + kShortFractionDigits + 2 ==
              kOldMessageIdBytes);

constexpr uint64_t low_bits(uint64_t value, unsigned bits) noexcept {
  return value & ((uint64_t{1} << bits) - 1);
}

// Whether `text` is base-62 fields of these widths, parted by "-".
bool has_shape(std::string_view text, size_t second, size_t third) noexcept {
  if (text.size() != kSecondsDigits + second + third + 2) return false;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool dash = at == kSecondsDigits || at == kSecondsDigits + second + 1;
    if (dash ? text[at] != '-' : !is_alnum(text[at])) return false;
  }
  return true;
}

std::string fields_text(uint64_t seconds, uint64_t process, size_t process_digits,
                        uint64_t fraction, size_t fraction_digits) {
  std::string text;
  text.reserve(kMessageIdBytes);
  append_base62(text, seconds % kSecondsEnd, kSecondsDigits);
  text.push_back('-');
  append_base62(text, process, process_digits);
  text.push_back('-');
  append_base62(text, fraction, fraction_digits);
  return text;
}

}  // namespace

MessageId::MessageId(std::string_view text) noexcept : size_(static_cast<uint8_t>(text.size())) {
  std::ranges::copy(text, text_.begin());
}

Result<MessageId> MessageId::parse(std::string_view text) {
  const bool known = has_shape(text, kProcessDigits, kFractionDigits) ||
                     has_shape(text, kShortProcessDigits, kShortFractionDigits);
  if (!known) return Error(Errc::malformed, "message id");
  return MessageId(text);
}

MessageId MessageId::make(uint64_t seconds, uint64_t process, uint32_t fraction) {
  return MessageId(
      fields_text(seconds, process, kProcessDigits, fraction % kFractionEnd, kFractionDigits));
}

MessageId MessageId::make_short(uint64_t seconds, uint64_t process, uint32_t fraction) {
  return MessageId(fields_text(seconds, process % kShortProcessEnd, kShortProcessDigits,
                               fraction % kShortFractionsPerSecond, kShortFractionDigits));
}

int64_t MessageId::seconds() const noexcept {
  const std::optional<uint64_t> value = parse_base62(text().substr(0, kSecondsDigits));
  return value ? static_cast<int64_t>(*value) : 0;
}

MessageIdGenerator::MessageIdGenerator(uint32_t pid, uint32_t worker, WallTime start, IdForm form,
                                       std::optional<uint32_t> host) noexcept
    : form_(form),
      units_(form == IdForm::short_form ? kShortFractionsPerSecond : kFractionsPerSecond) {
  if (host) {
    units_ = form == IdForm::short_form ? kShortHostFractionsPerSecond : kHostFractionsPerSecond;
    host_ = static_cast<uint32_t>(std::min(*host, kHostNumberMax) * units_);
  }
  const auto hundredths = static_cast<uint64_t>(std::max<int64_t>(start.micros, 0)) / 10'000;
  if (form == IdForm::short_form) {
    process_ = low_bits(pid, kPidBits) * kShortStarts + hundredths % kShortStarts;
  } else {
    process_ = low_bits(pid, kPidBits) << (kWorkerBits + kStartBits) |
               low_bits(worker, kWorkerBits) << kStartBits | low_bits(hundredths, kStartBits);
  }
}

MessageId MessageIdGenerator::next(WallTime now) noexcept {
  const auto micros = static_cast<uint64_t>(std::max<int64_t>(now.micros, 0));
  const uint64_t stamp =
      micros / kMicrosPerSecond * units_ + micros % kMicrosPerSecond * units_ / kMicrosPerSecond;
  last_stamp_ = std::max(stamp, last_stamp_ + 1);
  const auto fraction = static_cast<uint32_t>(last_stamp_ % units_) + host_;
  return form_ == IdForm::short_form
             ? MessageId::make_short(last_stamp_ / units_, process_, fraction)
             : MessageId::make(last_stamp_ / units_, process_, fraction);
}

}  // namespace godwit::message
