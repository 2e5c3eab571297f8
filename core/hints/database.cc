#include "core/hints/database.h"

#include <lmdb.h>

#include <cinttypes>
#include <cstdio>
#include <iterator>
#include <utility>
#include <vector>

namespace godwit::hints {
namespace {

constexpr size_t kMapBytes = size_t{1} << 30;  // address space; the file is as large as its content

MDB_val value_of(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}

// FNV-1a: long keys differ in what it leaves, or by chance of 2^-64 share a hint.
uint64_t hash_of(std::string_view text) noexcept {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

// LMDB refuses keys over 511 bytes.
std::string bounded_key(std::string_view key) {
  if (key.size() <= kKeyBytesMax) return std::string(key);
  char hash[24];
  std::snprintf(hash, sizeof hash, "#%016" PRIx64, hash_of(key));
  return std::string(key.substr(0, kKeyBytesMax)) + hash;
}

// Ends itself unless it was committed.
class Transaction {
 public:
  Transaction(MDB_env* environment, unsigned flags) {
    status_ = mdb_txn_begin(environment, nullptr, flags, &transaction_);
  }
  ~Transaction() {
    if (transaction_ != nullptr) mdb_txn_abort(transaction_);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  bool has_begun() const noexcept { return transaction_ != nullptr; }
  int status() const noexcept { return status_; }
  MDB_txn* get() const noexcept { return transaction_; }
  int commit() { return mdb_txn_commit(std::exchange(transaction_, nullptr)); }

  std::optional<std::string_view> read(unsigned database, std::string_view key) const {
    MDB_val name = value_of(key);
    MDB_val value{};
    if (mdb_get(transaction_, database, &name, &value) != 0) return std::nullopt;
    return std::string_view(static_cast<const char*>(value.mv_data), value.mv_size);
  }
  int write(unsigned database, std::string_view key, std::string_view bytes) {
    MDB_val name = value_of(key);
    MDB_val value = value_of(bytes.substr(0, kValueBytesMax));
    return mdb_put(transaction_, database, &name, &value, 0);
  }

 private:
  MDB_txn* transaction_ = nullptr;
  int status_ = 0;
};

class Cursor {
 public:
  Cursor(const Transaction& transaction, unsigned database) {
    status_ = mdb_cursor_open(transaction.get(), database, &cursor_);
  }
  ~Cursor() {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  int status() const noexcept { return status_; }
  std::string_view key() const noexcept { return text_of(key_); }
  std::string_view value() const noexcept { return text_of(value_); }
  // To the first record whose key is not less than `from`, or to the next one.
  bool start(std::string_view from) {
    key_ = value_of(from);
    return move(from.empty() ? MDB_FIRST : MDB_SET_RANGE);
  }
  bool advance() { return move(MDB_NEXT); }

 private:
  static std::string_view text_of(const MDB_val& value) noexcept {
    return {static_cast<const char*>(value.mv_data), value.mv_size};
  }
  bool move(MDB_cursor_op how) {
    if (status_ == 0) status_ = mdb_cursor_get(cursor_, &key_, &value_, how);
    return status_ == 0;
  }

  MDB_cursor* cursor_ = nullptr;
  MDB_val key_{};
  MDB_val value_{};
  int status_ = 0;
};

Error lmdb_error(const std::string& what, int status) {
  return Error(Errc::unknown_io, what + ": " + mdb_strerror(status));
}

}  // namespace

std::optional<std::string> MemoryDatabase::get(std::string_view key) {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

void MemoryDatabase::put(std::string_view key, std::string_view value) {
  values_.insert_or_assign(std::string(key), std::string(value));
}

void MemoryDatabase::remove(std::string_view key) {
  const auto found = values_.find(key);
  if (found != values_.end()) values_.erase(found);
}

Result<void> MemoryDatabase::update(std::string_view key, Change& change) {
  const auto found = values_.find(key);
  std::optional<std::string_view> old;
  if (found != values_.end()) old = found->second;
  if (std::optional<std::string> fresh = change(old)) put(key, *fresh);
  return {};
}

Result<Database::Swept> MemoryDatabase::sweep(std::string_view from, size_t max, Judge& judge) {
  Swept swept;
  auto at = values_.lower_bound(from);
  for (size_t seen = 0; at != values_.end() && seen < max; ++seen) {
    const bool is_outdated = judge.is_outdated(at->first, at->second);
    at = is_outdated ? values_.erase(at) : std::next(at);
    if (is_outdated) ++swept.removed;
  }
  if (at != values_.end()) swept.next = at->first;
  return swept;
}

Result<std::unique_ptr<LmdbDatabase>> LmdbDatabase::open(const std::string& path) {
  MDB_env* environment = nullptr;
  int status = mdb_env_create(&environment);
  if (status == 0) status = mdb_env_set_mapsize(environment, kMapBytes);
  if (status == 0) {
    status = mdb_env_open(environment, path.c_str(),
                          MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD, 0640);
  }
  MDB_dbi database = 0;
  if (status == 0) {
    Transaction transaction(environment, 0);
    status = transaction.status();
    if (status == 0) status = mdb_dbi_open(transaction.get(), nullptr, MDB_CREATE, &database);
    if (status == 0) status = transaction.commit();
  }
  if (status == 0) {
    int dead = 0;
    mdb_reader_check(environment, &dead);  // slots of processes that were killed
    return std::unique_ptr<LmdbDatabase>(new LmdbDatabase(environment, database));
  }
  if (environment != nullptr) mdb_env_close(environment);
  return lmdb_error("hints database " + path, status);
}

LmdbDatabase::~LmdbDatabase() {
  mdb_env_close(environment_);
}

std::optional<std::string> LmdbDatabase::get(std::string_view key) {
  const Transaction transaction(environment_, MDB_RDONLY);
  if (!transaction.has_begun()) return std::nullopt;
  const auto value = transaction.read(database_, bounded_key(key));
  if (!value) return std::nullopt;
  return std::string(*value);
}

void LmdbDatabase::put(std::string_view key, std::string_view value) {
  Transaction transaction(environment_, 0);
  if (transaction.has_begun() && transaction.write(database_, bounded_key(key), value) == 0)
    transaction.commit();
}

// Most keys that are removed are not there: looking first spares the lock.
void LmdbDatabase::remove(std::string_view key) {
  if (!get(key)) return;
  Transaction transaction(environment_, 0);
  const std::string bounded = bounded_key(key);
  MDB_val name = value_of(bounded);
  if (transaction.has_begun() && mdb_del(transaction.get(), database_, &name, nullptr) == 0)
    transaction.commit();
}

Result<void> LmdbDatabase::update(std::string_view key, Change& change) {
  Transaction transaction(environment_, 0);
  if (!transaction.has_begun()) return lmdb_error("hints database", transaction.status());
  const std::string bounded = bounded_key(key);
  const std::optional<std::string> fresh = change(transaction.read(database_, bounded));
  if (!fresh) return {};
  int status = transaction.write(database_, bounded, *fresh);
  if (status == 0) status = transaction.commit();
  if (status != 0) return lmdb_error("hints database", status);
  return {};
}

// Nearly all records stay: they are read without the lock, and those that go are judged again
// under it.
Result<Database::Swept> LmdbDatabase::sweep(std::string_view from, size_t max, Judge& judge) {
  Swept swept;
  std::vector<std::string> outdated;
  {
    const Transaction transaction(environment_, MDB_RDONLY);
    if (!transaction.has_begun()) return lmdb_error("hints database", transaction.status());
    Cursor cursor(transaction, database_);
    bool is_there = cursor.start(from);
    for (size_t seen = 0; is_there && seen < max; ++seen) {
      if (judge.is_outdated(cursor.key(), cursor.value())) outdated.emplace_back(cursor.key());
      is_there = cursor.advance();
    }
    if (is_there) swept.next = cursor.key();
    if (!is_there && cursor.status() != MDB_NOTFOUND)
      return lmdb_error("hints database", cursor.status());
  }
  if (outdated.empty()) return swept;
  Transaction transaction(environment_, 0);
  if (!transaction.has_begun()) return lmdb_error("hints database", transaction.status());
  for (const std::string& key : outdated) {
    const auto value = transaction.read(database_, key);
    if (!value || !judge.is_outdated(key, *value)) continue;
    MDB_val name = value_of(key);
    const int status = mdb_del(transaction.get(), database_, &name, nullptr);
    if (status != 0) return lmdb_error("hints database", status);
    ++swept.removed;
  }
  const int status = transaction.commit();
  if (status != 0) return lmdb_error("hints database", status);
  return swept;
}

}  // namespace godwit::hints
