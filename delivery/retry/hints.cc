#include "delivery/retry/hints.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace godwit::retry {
namespace {

constexpr size_t kTextBytesMax = 512;
constexpr size_t kNumbers = 5;  // first_failed, last_try, next_try, flags, error_number

// The flags, from the lowest bit: expired, then the failure in fields of their own.
constexpr unsigned kErrorShift = 8;
constexpr unsigned kSourceShift = 16;
constexpr unsigned kCodeShift = 24;
constexpr unsigned kCodeBits = 10;
constexpr unsigned kIdleShift = kCodeShift + kCodeBits;  // mailbox_idle: 29 bits are 17 years
constexpr uint64_t kIdleMax = (1U << 29) - 1;

int64_t flags_of(const RetryRecord& record) {
  uint64_t flags = record.expired ? 1 : 0;
  flags |= static_cast<uint64_t>(record.failure.error) << kErrorShift;
  flags |= static_cast<uint64_t>(record.failure.host_source) << kSourceShift;
  flags |= static_cast<uint64_t>(std::clamp(record.failure.smtp_code, 0, 999)) << kCodeShift;
  const auto idle = static_cast<uint64_t>(std::max<int64_t>(0, record.failure.mailbox_idle.count));
  flags |= std::min(idle, kIdleMax) << kIdleShift;
  return static_cast<int64_t>(flags);
}

void apply_flags(uint64_t flags, RetryRecord& record) {
  record.expired = (flags & 1) != 0;
  const uint64_t error = (flags >> kErrorShift) & 0xff;
  const uint64_t source = (flags >> kSourceShift) & 0xff;
  if (error <= static_cast<uint64_t>(RetryError::tls_required))
    record.failure.error = static_cast<RetryError>(error);
  if (source <= static_cast<uint64_t>(HostSource::a))
    record.failure.host_source = static_cast<HostSource>(source);
  record.failure.smtp_code = static_cast<int>((flags >> kCodeShift) & ((1U << kCodeBits) - 1));
  record.failure.mailbox_idle.count = static_cast<int64_t>((flags >> kIdleShift) & kIdleMax);
}

}  // namespace

std::string encode_record(const RetryRecord& record) {
  const std::array<int64_t, kNumbers> numbers{record.first_failed.micros, record.last_try.micros,
                                              record.next_try.micros, flags_of(record),
                                              record.error_number};
  std::string out(sizeof numbers, '\0');
  std::memcpy(out.data(), numbers.data(), sizeof numbers);
  out += std::string_view(record.text).substr(0, kTextBytesMax);
  return out;
}

std::optional<RetryRecord> decode_record(std::string_view bytes) {
  std::array<int64_t, kNumbers> numbers;
  if (bytes.size() < sizeof numbers) return std::nullopt;
  std::memcpy(numbers.data(), bytes.data(), sizeof numbers);
  RetryRecord record;
  record.first_failed.micros = numbers[0];
  record.last_try.micros = numbers[1];
  record.next_try.micros = numbers[2];
  apply_flags(static_cast<uint64_t>(numbers[3]), record);
  record.error_number = static_cast<int>(numbers[4]);
  record.text = bytes.substr(sizeof numbers);
  return record;
}

std::optional<RetryRecord> HintStore::find(std::string_view key) {
  const std::optional<std::string> bytes = database_->get(key);
  return bytes ? decode_record(*bytes) : std::nullopt;
}

void HintStore::put(std::string_view key, const RetryRecord& record) {
  database_->put(key, encode_record(record));
}

}  // namespace godwit::retry
