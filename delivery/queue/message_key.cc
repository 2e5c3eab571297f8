// Layout, from the highest bit: 2 bits of form (1 old, 2 new), then the fields in base-62 digits,
// packed as one number. Comparing keys of one form is comparing ids.
#include "delivery/queue/message_key.h"

#include "core/base/ascii.h"

#include <algorithm>
#include <string>

namespace godwit::delivery {
namespace {

using Wide = unsigned __int128;

constexpr unsigned kFormShift = 126;
constexpr Wide kOldForm = 1;
constexpr Wide kNewForm = 2;
// 21 digits of the new form: 62^21 is below 2^126; 14 of the old one.
constexpr size_t kNewDigits = 21;
constexpr size_t kOldDigits = 14;

}  // namespace

spool::MessageKey key_of(const message::MessageId& id) noexcept {
  Wide packed = 0;
  for (char c : id.text()) {
    if (c == '-') continue;
    packed = packed * 62 + static_cast<Wide>(std::max(base62_value(c), 0));
  }
  packed |= (id.is_old_form() ? kOldForm : kNewForm) << kFormShift;
  return {static_cast<uint64_t>(packed >> 64), static_cast<uint64_t>(packed)};
}

message::MessageId id_of(const spool::MessageKey& key) noexcept {
  Wide packed = (static_cast<Wide>(key.high) << 64) | key.low;
  const Wide form = packed >> kFormShift;
  if (form != kOldForm && form != kNewForm) return {};
  packed &= (Wide{1} << kFormShift) - 1;
  const size_t count = form == kOldForm ? kOldDigits : kNewDigits;
  std::string digits(count, '0');
  for (size_t i = count; i > 0; --i) {
    std::string digit;
    append_base62(digit, static_cast<uint64_t>(packed % 62), 1);
    digits[i - 1] = digit.front();
    packed /= 62;
  }
  const size_t middle = form == kOldForm ? 6 : 11;
  const std::string text =
      digits.substr(0, 6) + "-" + digits.substr(6, middle) + "-" + digits.substr(6 + middle);
  return message::MessageId::parse(text).value_or(message::MessageId());
}

}  // namespace godwit::delivery
