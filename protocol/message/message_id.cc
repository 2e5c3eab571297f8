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
constexpr unsigned kPidBits = 22;
constexpr unsigned kWorkerBits = 9;
constexpr unsigned kStartBits = 33;
static_assert(kPidBits + kWorkerBits + kStartBits == 64);
static_assert(kSecondsDigits + kProcessDigits + kFractionDigits + 2 == kMessageIdBytes);
static_assert(kFractionsPerSecond < kFractionEnd);

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

}  // namespace

Result<MessageId> MessageId::parse(std::string_view text) {
  const bool known = has_shape(text, kProcessDigits, kFractionDigits) || has_shape(text, 6, 2);
  if (!known) return Error(Errc::malformed, "message id");
  MessageId id;
  std::ranges::copy(text, id.text_.begin());
  id.size_ = static_cast<uint8_t>(text.size());
  return id;
}

MessageId MessageId::make(uint64_t seconds, uint64_t process, uint32_t fraction) {
  std::string text;
  text.reserve(kMessageIdBytes);
  append_base62(text, seconds % kSecondsEnd, kSecondsDigits);
  text.push_back('-');
  append_base62(text, process, kProcessDigits);
  text.push_back('-');
  append_base62(text, fraction % kFractionEnd, kFractionDigits);
  MessageId id;
  std::ranges::copy(text, id.text_.begin());
  id.size_ = static_cast<uint8_t>(text.size());
  return id;
}

int64_t MessageId::seconds() const noexcept {
  const std::optional<uint64_t> value = parse_base62(text().substr(0, kSecondsDigits));
  return value ? static_cast<int64_t>(*value) : 0;
}

MessageIdGenerator::MessageIdGenerator(uint32_t pid, uint32_t worker, WallTime start) noexcept {
  const auto hundredths = static_cast<uint64_t>(std::max<int64_t>(start.micros, 0)) / 10'000;
  process_ = low_bits(pid, kPidBits) << (kWorkerBits + kStartBits) |
             low_bits(worker, kWorkerBits) << kStartBits | low_bits(hundredths, kStartBits);
}

MessageId MessageIdGenerator::next(WallTime now) noexcept {
  const auto stamp = static_cast<uint64_t>(std::max<int64_t>(now.micros, 0));
  last_stamp_ = std::max(stamp, last_stamp_ + 1);
  return MessageId::make(last_stamp_ / kFractionsPerSecond, process_,
                         static_cast<uint32_t>(last_stamp_ % kFractionsPerSecond));
}

}  // namespace godwit::message
