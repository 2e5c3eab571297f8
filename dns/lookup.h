// Lookup: one question on its way through the resolver, with everybody who waits for its answer.
// Inside of dns/stub_resolver; owned by its map of lookups.
#pragma once

#include "core/io/cancel.h"
#include "core/io/timers.h"
#include "core/io/uv_stream.h"
#include "dns/stub_resolver.h"

#include <array>
#include <coroutine>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::dns {

// The await of one caller: in the list of its lookup until the answer or the caller's cancelling.
class LookupWait {
 public:
  LookupWait(Lookup& lookup, CancelSource* cancel) : lookup_(&lookup), cancel_(cancel) {}
  LookupWait(const LookupWait&) = delete;
  LookupWait& operator=(const LookupWait&) = delete;
  ~LookupWait();

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter);
  Result<Finding> await_resume() { return std::move(*result_); }
  void finish(Result<Finding> result);

 private:
  friend struct Lookup;
  static void on_cancel(void* self) noexcept;

  Lookup* lookup_;
  CancelSource* cancel_;
  CancelWaiter cancel_waiter_;
  std::coroutine_handle<> waiter_;
  std::optional<Result<Finding>> result_;
  LookupWait* previous_ = nullptr;
  LookupWait* next_ = nullptr;
  bool is_listed_ = false;
};

// A question over TCP. The lookup may leave it behind; its task then ends by itself.
class TcpExchange {
 public:
  TcpExchange(Lookup& owner, Upstream& to, Question asked)
      : lookup(&owner), upstream(to), question(std::move(asked)) {}
  void abandon() noexcept;

  Lookup* lookup;  // null: abandoned
  Upstream& upstream;
  Question question;
  QueryForm form;
  CancelSource cancel;
  UvStream* stream = nullptr;  // while it is connected
};

struct Lookup {
  Lookup(StubResolver& owner, std::string lookup_key, size_t key_size, std::string asked_name,
         Question asked, const QueryOptions& query_options)
      : resolver(owner),
        key(std::move(lookup_key)),
        cache_key_size(key_size),
        name(std::move(asked_name)),
        question(std::move(asked)),
        options(query_options),
        timer(&Lookup::on_fire, this) {}
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  static void on_fire(void* self) noexcept;

  void add(LookupWait& wait) noexcept;
  void remove(LookupWait& wait) noexcept;
  LookupWait* take_waiter() noexcept;  // null: none is left
  bool has_waiters() const noexcept { return first_waiter != nullptr; }

  // Destroys it; true where it was the latest attempt.
  bool end(Exchange& exchange);
  void end_tcp() noexcept;
  // Upstreams that need not be asked any more: they have answered badly, or may not be believed.
  void exclude(const Upstream& upstream) noexcept;
  bool is_candidate(size_t index) const noexcept;
  bool has_candidates() const noexcept;

  StubResolver& resolver;
  const std::string key;
  const size_t cache_key_size;  // the first octets of `key`
  const std::string name;
  const Question question;
  const QueryOptions options;
  TimerNode timer;  // what it is for: queued, paused, over TCP, or the patience of an attempt
  Instant give_up_at;

  std::array<Upstream*, kUpstreamsMax> order{};
  size_t upstreams = 0;
  uint32_t excluded = 0;  // a bit an index of `order`
  static_assert(kUpstreamsMax <= 32);
  int rounds = 1;
  size_t step = 0;                                   // attempts made, all rounds
  std::vector<std::unique_ptr<Exchange>> exchanges;  // any of them may still be answered
  std::shared_ptr<TcpExchange> tcp;

  bool has_begun = false;
  bool is_queued = false;
  bool is_in_flight = false;
  bool is_probe = false;
  bool is_prefetch = false;  // goes on although nobody waits yet
  bool is_paused = false;
  bool has_waited = false;  // in this round
  bool only_trusted = false;
  bool got_garbage = false;
  Errc problem_code = Errc::dns_failed;
  std::string problem;
  std::list<Lookup*>::iterator place;
  LookupWait* first_waiter = nullptr;
  LookupWait* last_waiter = nullptr;
};

}  // namespace godwit::dns
