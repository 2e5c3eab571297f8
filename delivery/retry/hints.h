// Retry hints: what failed lately, by key, shared by all workers of a machine and kept over
// restarts. Keys are Exim's: "T:host:ip" for a host, "T:host:ip:message" for one message at a host,
// "R:address" and "R:address:<sender>" for a recipient. Losing them costs attempts, never mail.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct MDB_env;

namespace godwit::retry {

struct RetryRecord {
  WallTime first_failed;
  WallTime last_try;
  WallTime next_try;
  bool expired = false;
  int error_number = 0;
  std::string text;  // of the last failure

  bool operator==(const RetryRecord&) const = default;
};

class HintStore {
 public:
  virtual ~HintStore() = default;
  // Nothing where there is none, or where it cannot be read: a hint is only a hint.
  virtual std::optional<RetryRecord> find(std::string_view key) = 0;
  virtual void put(std::string_view key, const RetryRecord& record) = 0;
  virtual void remove(std::string_view key) = 0;
};

// In memory: for tests, and where the database cannot be opened.
class MemoryHints final : public HintStore {
 public:
  std::optional<RetryRecord> find(std::string_view key) override;
  void put(std::string_view key, const RetryRecord& record) override;
  void remove(std::string_view key) override;
  size_t size() const noexcept { return records_.size(); }

 private:
  std::map<std::string, RetryRecord, std::less<>> records_;
};

// An LMDB file without syncs: a power cut may lose the newest hints, a crash of a worker does not.
class LmdbHints final : public HintStore {
 public:
  // `path` is the file; its directory must exist.
  static Result<std::unique_ptr<LmdbHints>> open(const std::string& path);
  ~LmdbHints() override;
  LmdbHints(const LmdbHints&) = delete;
  LmdbHints& operator=(const LmdbHints&) = delete;

  std::optional<RetryRecord> find(std::string_view key) override;
  void put(std::string_view key, const RetryRecord& record) override;
  void remove(std::string_view key) override;

 private:
  explicit LmdbHints(MDB_env* environment, unsigned database)
      : environment_(environment), database_(database) {}
  template <class F>
  void write(F&& change);

  MDB_env* environment_;
  unsigned database_;
};

std::string encode_record(const RetryRecord& record);
std::optional<RetryRecord> decode_record(std::string_view bytes);

}  // namespace godwit::retry
