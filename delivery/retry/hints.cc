#include "delivery/retry/hints.h"

#include <array>
#include <cstring>

namespace godwit::retry {
namespace {

constexpr size_t kTextBytesMax = 512;
constexpr size_t kNumbers = 5;  // first_failed, last_try, next_try, expired, error_number

}  // namespace

std::string encode_record(const RetryRecord& record) {
  const std::array<int64_t, kNumbers> numbers{record.first_failed.micros, record.last_try.micros,
                                              record.next_try.micros, record.expired ? 1 : 0,
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
  record.expired = numbers[3] != 0;
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
