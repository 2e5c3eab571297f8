#include "dns/stub_resolver.h"

#include "core/base/ascii.h"
#include "dns/idna.h"
#include "dns/lookup.h"
#include "dns/wire/limits.h"
#include "dns/wire/name.h"

#include <algorithm>
#include <utility>

namespace godwit::dns {
namespace {

Error closed() {
  return Error(Errc::cancelled, "the resolver is closed");
}

// The name as keys have it: A-labels, lower case, no final dot. Nothing where the DNS cannot hold
// it.
bool normalise(std::string& name) {
  if (!is_ascii(name)) {
    Result<std::string> converted = to_a_labels(name);
    if (!converted) return false;
    name = std::move(*converted);
  }
  for (char& c : name) c = to_lower(c);
  if (name.size() > 1 && name.ends_with('.')) name.pop_back();
  return !name.empty();
}

// Text of a name never holds a zero octet, so the type behind one cannot be taken for text.
void make_key(std::string& key, std::string_view name, RrType type) {
  key.assign(name);
  key.push_back('\0');
  key.push_back(static_cast<char>(static_cast<unsigned>(type) >> 8));
  key.push_back(static_cast<char>(static_cast<unsigned>(type) & 0xff));
}

Answer nonexistent(const std::string& name) {
  Answer answer;
  answer.status = AnswerStatus::no_name;
  answer.name = name;
  return answer;
}

// Puts what was found at the end of a CNAME behind what led there.
void append(Answer& total, Answer next, bool is_first) {
  if (is_first) {
    total = std::move(next);
    return;
  }
  next.secure = next.secure && total.secure;
  next.ttl_seconds = std::min(next.ttl_seconds, total.ttl_seconds);
  next.has_alias = true;
  total = std::move(next);
}

Finding finding_of(Response response, bool secure) {
  Finding out;
  Answer& answer = out.answer;
  answer.secure = secure;
  answer.ttl_seconds = response.ttl_seconds;
  answer.name = std::move(response.name);
  answer.has_alias = response.has_alias;
  out.is_unfinished = response.is_unfinished;
  if (response.rcode == Rcode::no_such_name) {
    answer.status = AnswerStatus::no_name;
  } else if (!response.records.empty()) {
    answer.status = AnswerStatus::found;
    answer.records = std::move(response.records);
  }
  return out;
}

Millis time_to_keep(const Finding& finding) {
  const bool is_denial = !finding.answer.found() && !finding.is_unfinished;
  const Seconds most = is_denial ? kKeepNegativeMax : kKeepPositiveMax;
  return std::min(Seconds{finding.answer.ttl_seconds}, most);
}

}  // namespace

StubResolver::StubResolver(Loop& loop, StubOptions options)
    : loop_(loop),
      options_(std::move(options)),
      cache_(options_.cache_entries_max, options_.cache_bytes_max) {
  ExchangeHandler& handler = *this;
  for (const UpstreamAddress& address : options_.upstreams) {
    if (upstreams_.size() == kUpstreamsMax) break;
    upstreams_.push_back(std::make_unique<Upstream>(loop, address, ids_, handler));
  }
  GODWIT_ASSERT(!options_.ladder.empty());
}

StubResolver::~StubResolver() {
  GODWIT_ASSERT(lookups_.empty());
}

Task<void> StubResolver::close() {
  closing_ = true;
  while (!lookups_.empty()) complete(*lookups_.begin()->second, closed(), Millis{0});
  for (const auto& upstream : upstreams_) upstream->close();
  co_await scope_.join();
}

void StubResolver::forget() {
  cache_.clear();
}

StubStats StubResolver::stats() const {
  StubStats out = stats_;
  out.in_flight = in_flight_;
  for (const auto& queue : queues_) out.queued += queue.size();
  out.cache_entries = cache_.entries();
  out.cache_bytes = cache_.bytes();
  return out;
}

// --- A question from its caller's side -----------------------------------------------------------

Task<Result<Answer>> StubResolver::query(std::string name, RrType type, QueryOptions options,
                                         CancelSource* cancel) {
  ++stats_.questions;
  if (closing_) co_return closed();
  if (!normalise(name)) co_return nonexistent(name);
  Answer total;
  for (int hops = 0;; ++hops) {
    make_key(key_, name, type);
    const Instant asked = now();
    const Cache::Entry* known = cache_.find(key_, asked);
    if (known != nullptr) {
      ++stats_.cached;
      if (!known->finding) co_return known->finding.error();
      const bool is_unfinished = known->finding->is_unfinished;
      append(total, known->finding->answer, hops == 0);
      const auto left = static_cast<uint32_t>((known->until - asked).count / 1000);
      total.ttl_seconds = std::min(total.ttl_seconds, left);
      if (!is_unfinished) co_return total;
    } else {
      const Result<Lookup*> lookup = join(name, type, options);
      if (!lookup) {
        if (lookup.error().is_temporary() || lookup.error().is_cancelled())
          co_return lookup.error();
        append(total, nonexistent(name), hops == 0);
        co_return total;
      }
      LookupWait wait(**lookup, cancel);
      Result<Finding> found = co_await wait;
      if (!found) co_return found.error();
      const bool is_unfinished = found->is_unfinished;
      append(total, std::move(found->answer), hops == 0);
      if (!is_unfinished) co_return total;
    }
    if (hops >= options_.alias_questions_max)
      co_return Error(Errc::dns_failed, "CNAME loop for " + name);
    name = total.name;
    normalise(name);
  }
}

void StubResolver::prefetch(const std::string& name, RrType type, const QueryOptions& options) {
  std::string normal = name;
  if (closing_ || !normalise(normal)) return;
  make_key(key_, normal, type);
  if (cache_.find(key_, now()) != nullptr) return;
  const Result<Lookup*> lookup = join(normal, type, options);
  if (!lookup || (*lookup)->has_begun) return;
  (*lookup)->is_prefetch = true;
  begin(**lookup);
}

Result<Lookup*> StubResolver::join(const std::string& name, RrType type,
                                   const QueryOptions& options) {
  if (closing_) return closed();
  Result<std::string> wire = name_to_wire(name);
  if (!wire) return wire.error();
  if (options_.names != nullptr && !options_.names->is_askable(name, type))
    return Error(Errc::malformed, "not a name to ask for: " + name);
  make_key(key_, name, type);
  const size_t cache_key_size = key_.size();
  if (options.retrans) key_ += "r" + std::to_string(options.retrans->count);
  if (options.attempts) key_ += "a" + std::to_string(*options.attempts);
  const auto known = lookups_.find(key_);
  if (known != lookups_.end()) {
    ++stats_.coalesced;
    return known->second.get();
  }
  if (lookups_.size() >= kQueuedMax) return Error(Errc::dns_failed, "too many questions wait");
  auto lookup = std::make_unique<Lookup>(*this, key_, cache_key_size, name,
                                         Question{std::move(*wire), type}, options);
  Lookup* out = lookup.get();
  lookups_.emplace(out->key, std::move(lookup));
  return out;
}

void LookupWait::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  Lookup* lookup = lookup_;
  lookup->add(*this);
  if (cancel_ != nullptr) cancel_waiter_.arm(*cancel_, &LookupWait::on_cancel, this);
  // Whoever begins may end at once, and this awaiter with it.
  if (!lookup->has_begun) lookup->resolver.begin(*lookup);
}

void LookupWait::finish(Result<Finding> result) {
  cancel_waiter_.disarm();
  result_.emplace(std::move(result));
  waiter_.resume();
}

void LookupWait::on_cancel(void* self) noexcept {
  auto* wait = static_cast<LookupWait*>(self);
  wait->lookup_->remove(*wait);
  wait->finish(Error(Errc::cancelled, "DNS look-up"));
}

// --- Places in flight ----------------------------------------------------------------------------

void StubResolver::begin(Lookup& lookup) {
  lookup.has_begun = true;
  lookup.give_up_at = now() + kQuestionMax;
  if (in_flight_ < options_.in_flight_max) {
    start(lookup);
    return;
  }
  auto& queue = queues_[static_cast<size_t>(lookup.options.lane)];
  lookup.place = queue.insert(queue.end(), &lookup);
  lookup.is_queued = true;
  loop_.timers().set(lookup.timer, lookup.give_up_at);
}

void StubResolver::start_queued() {
  if (starting_) return;
  starting_ = true;
  while (in_flight_ < options_.in_flight_max && !closing_) {
    next_lane_ = (next_lane_ + 1) % kLanes;
    if (queues_[next_lane_].empty()) next_lane_ = (next_lane_ + 1) % kLanes;
    if (queues_[next_lane_].empty()) break;
    Lookup& lookup = *queues_[next_lane_].front();
    queues_[next_lane_].pop_front();
    lookup.is_queued = false;
    if (lookup.has_waiters() || lookup.is_prefetch) {
      start(lookup);
    } else {
      complete(lookup, Error(Errc::cancelled, "DNS look-up"), Millis{0});
    }
  }
  starting_ = false;
}

void StubResolver::start(Lookup& lookup) {
  ++in_flight_;
  lookup.is_in_flight = true;
  order_upstreams(lookup);
  if (upstreams_.size() > 1) start_probes(lookup);
  next_attempt(lookup);
}

void StubResolver::order_upstreams(Lookup& lookup) {
  for (const bool doubted : {false, true}) {
    for (const auto& upstream : upstreams_) {
      if (upstream->is_doubted() == doubted) lookup.order[lookup.upstreams++] = upstream.get();
    }
  }
  lookup.rounds = std::clamp(
      lookup.options.attempts.value_or(static_cast<int>(options_.ladder.size())), 1, kRoundsMax);
}

// A server that was set aside gets a copy of the question when its time is over; what it answers
// there tells that it is back, and costs nobody a wait.
void StubResolver::start_probes(const Lookup& lookup) {
  for (const auto& upstream : upstreams_) {
    if (!upstream->is_doubted() || upstream->is_set_aside(now())) continue;
    const std::string key = "probe of " + upstream->name();
    if (lookups_.contains(key)) continue;
    auto probe = std::make_unique<Lookup>(*this, key, key.size(), lookup.name, lookup.question,
                                          QueryOptions());
    probe->has_begun = true;
    probe->is_probe = true;
    probe->rounds = 1;
    probe->upstreams = 1;
    probe->order[0] = upstream.get();
    probe->give_up_at = now() + kQuestionMax;
    upstream->note_probe(now());
    Lookup& started = *probe;
    lookups_.emplace(started.key, std::move(probe));
    next_attempt(started);
  }
}

// --- Attempts ------------------------------------------------------------------------------------

Millis StubResolver::patience(const Lookup& lookup) const {
  const auto round = static_cast<size_t>(lookup.step - 1) / lookup.upstreams;
  if (lookup.options.retrans)
    return Millis{lookup.options.retrans->count << std::min<size_t>(round, 10)};
  return options_.ladder[std::min(round, options_.ladder.size() - 1)];
}

void StubResolver::next_attempt(Lookup& lookup) {
  const size_t last = static_cast<size_t>(lookup.rounds) * lookup.upstreams;
  for (;;) {
    if (lookup.step >= last || !lookup.has_candidates() || now() >= lookup.give_up_at) {
      fail(lookup);
      return;
    }
    const size_t index = lookup.step % lookup.upstreams;
    if (index == 0 && lookup.step > 0) {
      if (!lookup.has_waited) {  // all of them failed at once: they may be just starting
        lookup.is_paused = true;
        loop_.timers().set(lookup.timer, now() + kPauseBetweenRounds);
        return;
      }
      lookup.has_waited = false;
    }
    ++lookup.step;
    if (lookup.is_candidate(index) && send(lookup, *lookup.order[index])) return;
  }
}

bool StubResolver::send(Lookup& lookup, Upstream& upstream) {
  auto exchange = std::make_unique<Exchange>(lookup);
  QueryForm form;
  form.edns = options_.edns && upstream.takes_edns(now());
  form.dnssec_ok = options_.dnssec_ok;
  const Result<void> sent = upstream.send(*exchange, lookup.question, form);
  if (!sent) {
    lookup.problem_code = sent.error().code();
    lookup.problem = sent.error().detail();
    const bool is_ours = sent.error().code() == Errc::no_descriptors;
    if (!is_ours) {
      ++stats_.refusals;
      upstream.note_refusal(now());
      return false;
    }
    // Somebody may close something; asking at once again would only burn time.
    lookup.is_paused = true;
    loop_.timers().set(lookup.timer, now() + kPauseWithoutDescriptors);
    return true;
  }
  ++stats_.sent;
  lookup.has_waited = true;
  lookup.exchanges.push_back(std::move(exchange));
  loop_.timers().set(lookup.timer, std::min(now() + patience(lookup), lookup.give_up_at));
  return true;
}

void Lookup::on_fire(void* self) noexcept {
  auto* lookup = static_cast<Lookup*>(self);
  lookup->resolver.on_timer(*lookup);
}

void StubResolver::on_timer(Lookup& lookup) {
  if (lookup.is_queued) {
    lookup.problem = "waited too long for its turn";
    fail(lookup);
    return;
  }
  if (std::exchange(lookup.is_paused, false)) {
    lookup.has_waited = true;
    next_attempt(lookup);
    return;
  }
  if (lookup.tcp != nullptr) {
    lookup.end_tcp();
    fail(lookup);
    return;
  }
  ++stats_.silences;
  if (!lookup.exchanges.empty()) {
    const Exchange& latest = *lookup.exchanges.back();
    latest.upstream->note_silence(latest.sent_at, now());
    lookup.problem_code = lookup.got_garbage ? Errc::dns_failed : Errc::timed_out;
    lookup.problem = (lookup.got_garbage ? "malformed answer from " : "no answer from ") +
                     latest.upstream->name();
  }
  next_attempt(lookup);
}

void StubResolver::on_refused(Exchange& exchange, const Error& error) noexcept {
  Lookup& lookup = exchange.lookup;
  Upstream& upstream = *exchange.upstream;
  ++stats_.refusals;
  upstream.note_refusal(now());
  lookup.problem_code = error.code();
  lookup.problem = std::string(error.row().text) + " by " + upstream.name();
  if (lookup.end(exchange)) next_attempt(lookup);
}

void StubResolver::on_response(Exchange& exchange, std::string_view message) noexcept {
  Lookup& lookup = exchange.lookup;
  Upstream& upstream = *exchange.upstream;
  Result<Response> response = parse_response(message, lookup.question);
  if (!response) {
    // Perhaps forged: the right answer may still come (RFC 5452 4).
    ++stats_.garbage;
    lookup.got_garbage = true;
    return;
  }
  upstream.note_response(now());
  const bool with_edns = exchange.with_edns;
  const bool was_latest = lookup.end(exchange);
  if (response->truncated) {
    if (lookup.tcp == nullptr) begin_tcp(lookup, upstream);
    return;
  }
  const bool is_final =
      response->rcode == Rcode::no_error || response->rcode == Rcode::no_such_name;
  // A bad answer to an earlier attempt changes nothing while a later one is under way.
  if (!is_final && (!was_latest || lookup.tcp != nullptr)) {
    lookup.exclude(upstream);
    return;
  }
  take_response(lookup, upstream, std::move(*response), with_edns);
}

void StubResolver::take_response(Lookup& lookup, Upstream& upstream, Response response,
                                 bool with_edns) {
  switch (response.rcode) {
    case Rcode::no_error:
    case Rcode::no_such_name: {
      const bool is_referral = response.rcode == Rcode::no_error && response.records.empty() &&
                               !response.has_ttl && !response.recursion_available &&
                               !response.authoritative;
      if (is_referral) {
        answered_badly(lookup, upstream, "no recursion");
        return;
      }
      const bool secure = is_secure(lookup, upstream, response);
      Finding finding = finding_of(std::move(response), secure);
      const Millis keep = time_to_keep(finding);
      complete(lookup, std::move(finding), keep);
      return;
    }
    case Rcode::format_error:
    case Rcode::not_implemented:
    case Rcode::bad_version:
      if (with_edns) {
        upstream.note_no_edns(now());
        if (!send(lookup, upstream)) next_attempt(lookup);
        return;
      }
      [[fallthrough]];
    default:
      answered_badly(lookup, upstream, to_string(response.rcode));
      return;
  }
}

bool StubResolver::is_secure(const Lookup& lookup, const Upstream& upstream,
                             const Response& response) const {
  if (!upstream.is_trusted() || options_.never_secure) return false;
  if (response.authentic) return true;
  return response.authoritative && options_.names != nullptr &&
         options_.names->trusts_authority(lookup.name);
}

// SERVFAIL and its kin: that server will not do better, another may.
void StubResolver::answered_badly(Lookup& lookup, Upstream& upstream, const std::string& what) {
  lookup.problem_code = Errc::dns_failed;
  lookup.problem = what + " from " + upstream.name();
  lookup.exclude(upstream);
  // What a validating server calls bogus must not become an insecure answer of another.
  if (upstream.is_trusted()) lookup.only_trusted = true;
  next_attempt(lookup);
}

// --- Ends ----------------------------------------------------------------------------------------

void StubResolver::fail(Lookup& lookup) {
  if (!lookup.is_probe) ++stats_.failures;
  if (options_.names != nullptr && options_.names->failure_means_nonexistent(lookup.name)) {
    complete(lookup, Finding{nonexistent(lookup.name), false}, kKeepFailure);
    return;
  }
  const std::string why = lookup.problem.empty() ? "no name server to ask" : lookup.problem;
  Error error(lookup.problem_code,
              to_string(lookup.question.type) + " of " + lookup.name + ": " + why);
  complete(lookup, std::move(error), kKeepFailure);
}

void StubResolver::complete(Lookup& lookup, Result<Finding> finding, Millis keep) {
  const auto found = lookups_.find(lookup.key);
  GODWIT_ASSERT(found != lookups_.end());
  // Its place in the map goes first: whoever is resumed may ask the same again.
  const std::unique_ptr<Lookup> owned = std::move(found->second);
  lookups_.erase(found);
  lookup.timer.disarm();
  lookup.exchanges.clear();
  lookup.end_tcp();
  if (lookup.is_in_flight) --in_flight_;
  if (lookup.is_queued) queues_[static_cast<size_t>(lookup.options.lane)].erase(lookup.place);
  if (!lookup.is_probe && keep.count > 0)
    cache_.put(lookup.key.substr(0, lookup.cache_key_size), finding, now() + keep);
  start_queued();
  while (LookupWait* waiter = lookup.take_waiter()) waiter->finish(finding);
}

}  // namespace godwit::dns
