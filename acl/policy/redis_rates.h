// RedisRates: rates that several machines share, in redis_servers (ratelimit_store = redis). A rate
// is a hash, its different events a set beside it; one script does the arithmetic of rates.h in the
// server, by the server's clock. One a worker.
#pragma once

#include "acl/lookup/redis.h"
#include "acl/policy/rates.h"

namespace godwit::acl {

class LookupSet;

class RedisRates final : public RateStore {
 public:
  // `lookups` has the connections and outlives this.
  explicit RedisRates(LookupSet& lookups);
  // Temporary where no server answers.
  Result<double> count(const RateEvent& event) override;

 private:
  LookupSet& lookups_;
  const RedisScript script_;
};

}  // namespace godwit::acl
