// StubResolver: the Resolver that asks recursive servers, over UDP and, for answers that do not
// fit, over TCP. Retry, failover, bounds, coalescing and the cache are here; dns/upstream is one
// server, dns/wire the octets. It believes an AD bit only of upstreams that the configuration
// trusts, and validates nothing itself.
//
// Used by the daemon, one a worker. Everything on the loop's thread; a question ends when its
// answer, its last attempt or kQuestionMax comes. close() before destruction. RFC 1035, 2308, 5452,
// 6840, 6891, 7766, 9520.
#pragma once

#include "core/base/time.h"
#include "core/io/loop.h"
#include "core/io/scope.h"
#include "dns/cache.h"
#include "dns/limits.h"
#include "dns/resolver.h"
#include "dns/upstream.h"

#include <array>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace godwit::dns {

// What the configuration knows about names; asked once for each question that goes out.
class NamePolicy {
 public:
  virtual ~NamePolicy() = default;
  // dns_check_names_pattern: false makes it a name that does not exist.
  virtual bool is_askable(std::string_view name, RrType type) const = 0;
  // dns_again_means_nonexist: true makes "could not ask" a name that does not exist.
  virtual bool failure_means_nonexistent(std::string_view name) const = 0;
  // dns_trust_aa: true takes an authoritative answer of a trusted upstream for a validated one.
  virtual bool trusts_authority(std::string_view name) const = 0;
};

struct StubOptions {
  std::vector<UpstreamAddress> upstreams;  // in the order in which they are asked
  // How long each round waits for an answer; all upstreams are asked in a round.
  std::vector<Millis> ladder{Millis{2'000}, Millis{3'000}, Millis{5'000}};
  bool edns = true;
  bool dnssec_ok = false;       // set DO as well
  bool never_secure = false;    // dns_dnssec_ok = 0
  int alias_questions_max = 1;  // CNAMEs that the upstream did not follow
  size_t in_flight_max = kInFlightMax;
  size_t cache_entries_max = kCacheEntriesMax;
  size_t cache_bytes_max = kCacheBytesMax;
  const NamePolicy* names = nullptr;  // outlives the resolver; null: every name is askable
};

struct StubStats {
  uint64_t questions = 0;
  uint64_t cached = 0;     // answered from the cache
  uint64_t coalesced = 0;  // joined a question in flight
  uint64_t sent = 0;       // datagrams
  uint64_t silences = 0;   // attempts without an answer in time
  uint64_t refusals = 0;   // nobody listens there
  uint64_t garbage = 0;    // datagrams that were no answer to their question
  uint64_t over_tcp = 0;
  uint64_t failures = 0;  // questions that could not be asked
  size_t in_flight = 0;
  size_t queued = 0;
  size_t cache_entries = 0;
  size_t cache_bytes = 0;
};

class LookupWait;
class TcpExchange;

class StubResolver final : public Resolver, ExchangeHandler {
 public:
  StubResolver(Loop& loop, StubOptions options);
  ~StubResolver() override;

  Task<Result<Answer>> query(std::string name, RrType type, QueryOptions options = {},
                             CancelSource* cancel = nullptr) override;
  void prefetch(const std::string& name, RrType type, const QueryOptions& options) override;
  // Ends every question with Errc::cancelled, closes the sockets, and waits for what is left.
  Task<void> close();
  void forget();  // empties the cache
  StubStats stats() const;

 private:
  friend struct Lookup;
  friend class TcpExchange;
  friend class LookupWait;
  static constexpr size_t kLanes = 2;

  // The lookup that answers `key`, in flight already or new.
  Result<Lookup*> join(const std::string& name, RrType type, const QueryOptions& options);
  void begin(Lookup& lookup);  // sends it, or queues it
  void start(Lookup& lookup);
  void start_queued();
  void order_upstreams(Lookup& lookup);
  void start_probes(const Lookup& lookup);
  // Asks the next upstream, or fails. The lookup may be gone afterwards; so with all below.
  void next_attempt(Lookup& lookup);
  // False where the next upstream should be asked at once.
  bool send(Lookup& lookup, Upstream& upstream);
  void on_timer(Lookup& lookup);
  void on_response(Exchange& exchange, std::string_view message) noexcept override;
  void on_refused(Exchange& exchange, const Error& error) noexcept override;
  void take_response(Lookup& lookup, Upstream& upstream, Response response, bool with_edns);
  void answered_badly(Lookup& lookup, Upstream& upstream, const std::string& what);
  void begin_tcp(Lookup& lookup, Upstream& upstream);
  void start_waiting_tcp();
  Task<void> ask_over_tcp(std::shared_ptr<TcpExchange> exchange);
  bool is_secure(const Lookup& lookup, const Upstream& upstream, const Response& response) const;
  void fail(Lookup& lookup);
  void complete(Lookup& lookup, Result<Finding> finding, Millis keep);
  Millis patience(const Lookup& lookup) const;
  Instant now() const { return loop_.clock().now(); }

  Loop& loop_;
  StubOptions options_;
  QueryIds ids_;
  std::vector<std::unique_ptr<Upstream>> upstreams_;
  Cache cache_;
  // By key, type and options; a view into the lookup.
  std::unordered_map<std::string_view, std::unique_ptr<Lookup>> lookups_;
  std::array<std::list<Lookup*>, kLanes> queues_;
  size_t next_lane_ = 0;
  size_t in_flight_ = 0;
  size_t tcp_exchanges_ = 0;
  std::deque<std::shared_ptr<TcpExchange>> tcp_waiting_;
  StubStats stats_;
  Scope scope_;
  std::string key_;  // scratch of one call
  bool starting_ = false;
  bool closing_ = false;
};

}  // namespace godwit::dns
