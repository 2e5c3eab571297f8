// Hints: small facts by key that may be lost without losing mail: retry times, rates, callouts.
// Shared by all workers of a machine. A read or a change takes microseconds and never waits for the
// disk; a change is atomic between workers. Whoever reads checks what it gets: the file may be
// damaged, or hostile.
#pragma once

#include "core/base/result.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct MDB_env;

namespace godwit::hints {

inline constexpr size_t kKeyBytesMax = 480;  // longer keys are told apart by a hash
inline constexpr size_t kValueBytesMax = 64 * 1024;

class Database {
 public:
  virtual ~Database() = default;
  // Nothing where there is none, or where it cannot be read.
  virtual std::optional<std::string> get(std::string_view key) = 0;
  virtual void put(std::string_view key, std::string_view value) = 0;
  virtual void remove(std::string_view key) = 0;

  // One step between workers: `change` sees the value (nothing where there is none) and makes the
  // new one; nothing keeps it as it was.
  class Change {
   public:
    virtual ~Change() = default;
    virtual std::optional<std::string> operator()(std::optional<std::string_view> value) = 0;
  };
  // unknown_io where the database refuses.
  virtual Result<void> update(std::string_view key, Change& change) = 0;

  // Whether a record is worth keeping.
  class Judge {
   public:
    virtual ~Judge() = default;
    virtual bool is_outdated(std::string_view key, std::string_view value) = 0;
  };
  struct Swept {
    size_t removed = 0;
    std::optional<std::string> next;  // where the next call goes on; nothing: that was the last key
  };
  // Looks at up to `max` records from the key `from` on (empty: the first), in the order of keys,
  // and removes those that are outdated. unknown_io where the database refuses.
  virtual Result<Swept> sweep(std::string_view from, size_t max, Judge& judge) = 0;
};

// In memory: for tests, and where the file cannot be opened.
class MemoryDatabase final : public Database {
 public:
  std::optional<std::string> get(std::string_view key) override;
  void put(std::string_view key, std::string_view value) override;
  void remove(std::string_view key) override;
  Result<void> update(std::string_view key, Change& change) override;
  Result<Swept> sweep(std::string_view from, size_t max, Judge& judge) override;
  size_t size() const noexcept { return values_.size(); }

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

// An LMDB file without syncs: a power cut may lose the newest hints, a crash of a worker does not.
class LmdbDatabase final : public Database {
 public:
  // `path` is the file; its directory must exist.
  static Result<std::unique_ptr<LmdbDatabase>> open(const std::string& path);
  ~LmdbDatabase() override;
  LmdbDatabase(const LmdbDatabase&) = delete;
  LmdbDatabase& operator=(const LmdbDatabase&) = delete;

  std::optional<std::string> get(std::string_view key) override;
  void put(std::string_view key, std::string_view value) override;
  void remove(std::string_view key) override;
  Result<void> update(std::string_view key, Change& change) override;
  Result<Swept> sweep(std::string_view from, size_t max, Judge& judge) override;

 private:
  LmdbDatabase(MDB_env* environment, unsigned database)
      : environment_(environment), database_(database) {}

  MDB_env* environment_;
  unsigned database_;
};

}  // namespace godwit::hints
