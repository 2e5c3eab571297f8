#include "delivery/retry/hints.h"

#include <lmdb.h>

#include <array>
#include <cstring>
#include <utility>

namespace godwit::retry {
namespace {

constexpr size_t kMapBytes = size_t{1} << 30;  // address space; the file is as large as its content
constexpr size_t kTextBytesMax = 512;
constexpr size_t kNumbers = 5;  // first_failed, last_try, next_try, expired, error_number

MDB_val value_of(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}

// LMDB refuses keys over 511 bytes; the end of a long key tells it from others.
std::string_view bounded_key(std::string_view key, MDB_env* environment) {
  const auto limit = static_cast<size_t>(mdb_env_get_maxkeysize(environment));
  return key.size() <= limit ? key : key.substr(key.size() - limit);
}

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

std::optional<RetryRecord> MemoryHints::find(std::string_view key) {
  const auto found = records_.find(key);
  if (found == records_.end()) return std::nullopt;
  return found->second;
}

void MemoryHints::put(std::string_view key, const RetryRecord& record) {
  records_.insert_or_assign(std::string(key), record);
}

void MemoryHints::remove(std::string_view key) {
  const auto found = records_.find(key);
  if (found != records_.end()) records_.erase(found);
}

Result<std::unique_ptr<LmdbHints>> LmdbHints::open(const std::string& path) {
  MDB_env* environment = nullptr;
  int status = mdb_env_create(&environment);
  if (status == 0) status = mdb_env_set_mapsize(environment, kMapBytes);
  if (status == 0) {
    status = mdb_env_open(environment, path.c_str(),
                          MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD, 0640);
  }
  MDB_txn* transaction = nullptr;
  if (status == 0) status = mdb_txn_begin(environment, nullptr, 0, &transaction);
  MDB_dbi database = 0;
  if (status == 0) status = mdb_dbi_open(transaction, nullptr, MDB_CREATE, &database);
  if (status == 0) status = mdb_txn_commit(std::exchange(transaction, nullptr));
  if (status == 0) {
    int dead = 0;
    mdb_reader_check(environment, &dead);  // slots of processes that were killed
    return std::unique_ptr<LmdbHints>(new LmdbHints(environment, database));
  }
  if (transaction != nullptr) mdb_txn_abort(transaction);
  if (environment != nullptr) mdb_env_close(environment);
  return Error(Errc::unknown_io, "hints database " + path + ": " + mdb_strerror(status));
}

LmdbHints::~LmdbHints() {
  mdb_env_close(environment_);
}

std::optional<RetryRecord> LmdbHints::find(std::string_view key) {
  MDB_txn* transaction = nullptr;
  if (mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction) != 0) return std::nullopt;
  MDB_val name = value_of(bounded_key(key, environment_));
  MDB_val value{};
  std::optional<RetryRecord> record;
  if (mdb_get(transaction, database_, &name, &value) == 0) {
    record = decode_record({static_cast<const char*>(value.mv_data), value.mv_size});
  }
  mdb_txn_abort(transaction);
  return record;
}

template <class F>
void LmdbHints::write(F&& change) {
  MDB_txn* transaction = nullptr;
  if (mdb_txn_begin(environment_, nullptr, 0, &transaction) != 0) return;
  if (change(transaction)) {
    mdb_txn_commit(transaction);
  } else {
    mdb_txn_abort(transaction);
  }
}

void LmdbHints::put(std::string_view key, const RetryRecord& record) {
  const std::string bytes = encode_record(record);
  write([&](MDB_txn* transaction) {
    MDB_val name = value_of(bounded_key(key, environment_));
    MDB_val value = value_of(bytes);
    return mdb_put(transaction, database_, &name, &value, 0) == 0;
  });
}

void LmdbHints::remove(std::string_view key) {
  if (!find(key)) return;
  write([&](MDB_txn* transaction) {
    MDB_val name = value_of(bounded_key(key, environment_));
    return mdb_del(transaction, database_, &name, nullptr) == 0;
  });
}

}  // namespace godwit::retry
