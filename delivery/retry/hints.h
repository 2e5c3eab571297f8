// Retry hints: what failed lately, by key, shared by all workers of a machine and kept over
// restarts. Keys are Exim's: "T:host:ip" for a host, "T:host:ip:message" for one message at a host,
// "R:address:<sender>" for a
// recipient, "R:domain" or "R:address" for routing, "T:address" for a local delivery. Losing them
// costs attempts, never mail.
#pragma once

#include "core/base/time.h"
#include "core/hints/database.h"
#include "delivery/retry/retry.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace godwit::retry {

struct RetryRecord {
  WallTime first_failed;
  WallTime last_try;
  WallTime next_try;
  bool expired = false;
  int error_number = 0;
  Failure failure;   // the last one: it says which rule holds
  std::string text;  // of the last failure

  bool operator==(const RetryRecord&) const = default;
};

class HintStore {
 public:
  explicit HintStore(std::unique_ptr<hints::Database> database) : database_(std::move(database)) {}

  // Nothing where there is none, or where it cannot be read: a hint is only a hint.
  std::optional<RetryRecord> find(std::string_view key);
  void put(std::string_view key, const RetryRecord& record);
  // A look before a change: hardly any key is there, and looking is cheaper.
  void remove(std::string_view key) {
    if (database_->get(key)) database_->remove(key);
  }
  // For other facts about hosts, under keys of their own.
  hints::Database& database() noexcept { return *database_; }

 private:
  std::unique_ptr<hints::Database> database_;
};

std::string encode_record(const RetryRecord& record);
std::optional<RetryRecord> decode_record(std::string_view bytes);

}  // namespace godwit::retry
