// HostClaim: serialize_hosts. Whoever holds the claim of a host is the only one of all workers with
// a connection to it. Kept among the hints, with the process that holds it: a claim of a process
// that is gone, or an old one, counts no more.
#pragma once

#include "core/base/time.h"
#include "core/hints/database.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::delivery {

// Keys of claims begin with this.
inline constexpr std::string_view kClaimPrefix = "serialize:";

class HostClaim {
 public:
  // When a claim was made; nothing for bytes that are none.
  static std::optional<WallTime> taken_at(std::string_view value);
  // Null: somebody else has it. The database outlives the claim.
  static std::unique_ptr<HostClaim> take(hints::Database& database, const std::string& host_name,
                                         WallTime now);
  ~HostClaim();
  HostClaim(const HostClaim&) = delete;
  HostClaim& operator=(const HostClaim&) = delete;

 private:
  HostClaim(hints::Database& database, std::string key)
      : database_(database), key_(std::move(key)) {}

  hints::Database& database_;
  std::string key_;
};

}  // namespace godwit::delivery
