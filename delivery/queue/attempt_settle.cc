// What comes of a delivery: states, retry times, progress, log lines.
#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/limits.h"
#include "delivery/queue/log_lines.h"
#include "protocol/message/address_syntax.h"

#include <utility>

namespace godwit::delivery {

// --- Settling ------------------------------------------------------------------------------------

// By the domain, unless the router judges each address by itself.
std::string DeliveryAttempt::routing_key(const Recipient& recipient) {
  const Router* router = recipient.route.router;
  const bool whole = router != nullptr &&
                     (router->options().retry_use_local_part || router->options().check_local_user);
  return "R:" + (whole ? recipient.address : recipient.domain);
}

std::string DeliveryAttempt::delivery_key(const Recipient& recipient) const {
  const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
  if (!transport->is_remote()) {
    const bool whole = transport->options().retry_use_local_part;
    return "T:" + (whole ? recipient.address : recipient.domain);
  }
  const auto* smtp = static_cast<const SmtpTransport*>(transport);
  std::string key = "R:" + recipient.address;
  if (smtp->smtp().address_retry_include_sender) key += ":<" + facts_.sender_address + ">";
  return key;
}

// The key that a failure is remembered under.
std::string DeliveryAttempt::retry_key(const Recipient& recipient) const {
  const DeliveryOutcome& outcome = recipient.outcome;
  if (recipient.route.transport < 0) return routing_key(recipient);
  if (outcome.scope != FailureScope::message || outcome.host_key.empty())
    return delivery_key(recipient);
  return outcome.host_key + ":" + facts_.id;
}

void DeliveryAttempt::show_outcome(const Recipient& recipient) const {
  const DeliveryOutcome& outcome = recipient.outcome;
  std::string text = outcome.kind == OutcomeKind::delivered ? "delivered"
                     : outcome.kind == OutcomeKind::failed  ? "failed"
                                                            : "deferred";
  if (outcome.remote != nullptr)
    text += ", host " + outcome.remote->host_name + " " + outcome.remote->endpoint.to_string();
  const std::string& said =
      outcome.kind == OutcomeKind::delivered ? outcome.confirmation : outcome.text;
  if (!said.empty()) text += ": " + said;
  const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
  trace_->event({acl::TraceKind::transport, transport->name(), recipient.address, text, {}});
}

void DeliveryAttempt::settle(Recipient& recipient, DeliveryOutcome outcome, bool& is_first) {
  recipient.outcome = std::move(outcome);
  if (trace_ != nullptr) show_outcome(recipient);
  switch (recipient.outcome.kind) {
    case OutcomeKind::delivered:
      recipient.state = State::delivered;
      ++queue_.stats_.delivered;
      log_delivered(recipient, std::exchange(is_first, false));
      queue_.keeper_.succeeded(delivery_key(recipient));
      return;
    case OutcomeKind::failed:
      recipient.state = State::failed;
      log_failed(recipient);
      queue_.keeper_.succeeded(delivery_key(recipient));
      return;
    case OutcomeKind::deferred:
      settle_deferral(recipient);
      return;
  }
}

// What is about message or recipient; the host's own failures its destination remembers.
void DeliveryAttempt::remember_failure(Recipient& recipient, WallTime now) {
  DeliveryOutcome& outcome = recipient.outcome;
  const bool is_routing = recipient.route.transport < 0;
  const std::string key = retry_key(recipient);
  retry::RetryKeeper::Failed failed;
  failed.key = key;
  failed.rule_key =
      is_routing && key.find('@') == std::string::npos ? recipient.domain : recipient.address;
  if (outcome.remote != nullptr) failed.host = outcome.remote->host_name;
  failed.sender = facts_.sender_address;
  failed.failure = outcome.failure;
  failed.error_number = outcome.error_number;
  failed.text = outcome.text;
  failed.received = message_.envelope.received;
  failed.began = started_;
  failed.now = now;
  const retry::RetryKeeper::Verdict verdict = queue_.keeper_.failed(failed);
  outcome.next_try = verdict.next_try;
  outcome.expires = verdict.expires;
  outcome.retry_until = verdict.retry_until;
  outcome.retry_expired = verdict.give_up;
  if (verdict.give_up && outcome.scope == FailureScope::message) queue_.keeper_.succeeded(key);
}

// A recipient that must wait, or has waited long enough.
void DeliveryAttempt::settle_deferral(Recipient& recipient) {
  DeliveryOutcome& outcome = recipient.outcome;
  const WallTime now = queue_.services_.loop.clock().wall();
  recipient.state = State::deferred;
  ++queue_.stats_.deferred;
  if (outcome.in_doubt && outcome.remote != nullptr) {
    const std::string host = outcome.remote->endpoint.to_string();
    message_.entry.need_progress().in_doubt_host = host;
    queue_.services_.store->update(message_.entry.ref, encode_text(ChangeKind::in_doubt, host));
  }
  if (outcome.scope != FailureScope::host && outcome.scope != FailureScope::none)
    remember_failure(recipient, now);
  if (outcome.freezes) freeze_ = true;
  if (outcome.next_try.micros == 0) outcome.next_try = now + kRoutingRetry;
  const bool is_hint_only = is_retry_not_reached(outcome.error_number);
  const bool is_told =
      !is_hint_only || queue_.config_->options().log_selector.has(config::LogSelector::retry_defer);
  if (is_told && !outcome.is_put_back) log_deferred(recipient);
  if (!outcome.retry_expired || freeze_) return;
  recipient.state = State::failed;
  outcome.kind = OutcomeKind::failed;
  outcome.text += outcome.text.empty() ? "retry timeout exceeded" : ": retry timeout exceeded";
  DeliveryOutcome shown;
  shown.text = "retry timeout exceeded";
  std::swap(shown, outcome);
  outcome.remote = nullptr;
  outcome.error_number = kErrorRoutingRetry;  // about the address, wherever it was to go
  log_failed(recipient);
  std::swap(shown, outcome);
}

// Other batches are still under way: what this one did must not be done again after a crash.
void DeliveryAttempt::record_done(const Batch& batch) {
  Done done;
  for (size_t member : batch.members) {
    if (recipients_[member].state == State::delivered) mark_done(member, done);
  }
  record(done);
}

std::string_view DeliveryAttempt::return_path_of(const Recipient& recipient) const noexcept {
  const std::string& errors_to = recipient.route.properties.errors_to;
  if (errors_to.empty()) return facts_.sender_address;
  return errors_to == "<>" ? std::string_view() : std::string_view(errors_to);
}

// --- Log -----------------------------------------------------------------------------------------

namespace {

// disable_logging
bool is_silent(const Transport* transport, const Router* router) noexcept {
  return (transport != nullptr && transport->options().disable_logging) ||
         (router != nullptr && router->options().disable_logging);
}

// Domains are the same whatever the case of letters.
bool is_same_address(std::string_view one, std::string_view other) noexcept {
  const size_t at = one.rfind('@');
  return equals_ignore_case(one, other) && one.substr(0, at) == other.substr(0, at);
}

DeliveryLineFacts line_facts(const Transport* transport, const Router* router,
                             const DeliveryOutcome& outcome) {
  DeliveryLineFacts facts;
  if (router != nullptr) facts.router = router->name();
  if (transport != nullptr) facts.transport = transport->name();
  if (!outcome.transport.empty()) facts.transport = outcome.transport;
  return facts;
}

}  // namespace

// As transports know it; what was not routed has its affixes still.
std::string DeliveryAttempt::local_part_of(const Recipient& recipient, const Transport* transport) {
  const RouteResult& route = recipient.route;
  if (transport == nullptr || recipient.outcome.error_number == kErrorRoutingRetry)
    return to_lower(message::unquote_local_part(recipient.local_part));
  if (!transport->options().rcpt_include_affixes) return route.local_part;
  return route.prefix + route.local_part + route.suffix;
}

std::string DeliveryAttempt::log_address(const Recipient& recipient, bool delivered) const {
  const bool all_parents =
      queue_.config_->options().log_selector.has(config::LogSelector::all_parents);
  const Recipient* top = &recipient;
  while (top->parent != kNone) top = &recipients_[top->parent];
  const RouteResult& route = recipient.route;
  const bool is_local_kind = recipient.kind != GeneratedKind::address;
  const Transport* transport =
      route.transport >= 0 ? queue_.config_->transports->at(route.transport) : nullptr;
  const bool shows_local_part = delivered && !is_local_kind && route.router != nullptr &&
                                route.router->options().log_as_local && transport != nullptr &&
                                !transport->is_remote();
  std::string out = recipient.address;
  if (shows_local_part) {
    out = local_part_of(recipient, transport);
  } else if (!is_local_kind) {
    out = local_part_of(recipient, transport) + "@" + recipient.domain;
  }
  const bool has_hidden_parent = recipient.parent != kNone && &recipients_[recipient.parent] != top;
  if ((all_parents || is_local_kind) && has_hidden_parent) {
    std::string_view before = " (";
    for (size_t at = recipient.parent; &recipients_[at] != top; at = recipients_[at].parent) {
      out += before;
      out += recipients_[at].address;
      before = ", ";
      if (!all_parents) break;
    }
    out += ')';
  }
  const bool is_same = !shows_local_part && !is_local_kind && is_same_address(out, top->address) &&
                       (!all_parents || !has_hidden_parent);
  if (!is_same) out += " <" + top->address + ">";
  return out;
}

void DeliveryAttempt::log_delivered(const Recipient& recipient, bool is_first) {
  const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
  if (is_silent(transport, recipient.route.router)) return;
  const WallTime now = queue_.services_.loop.clock().wall();
  DeliveryLineFacts facts = line_facts(transport, recipient.route.router, recipient.outcome);
  facts.queue = facts_.queue_name;
  const std::string shown = log_address(recipient, true);
  facts.address = shown;
  // What a router lists for a local transport.
  const SharedHostList& hosts = recipient.route.hosts;
  if (!transport->is_remote() && hosts != nullptr && !hosts->hosts.empty())
    facts.host = hosts->hosts.front().name;
  facts.sender = facts_.sender_address;
  facts.return_path = return_path_of(recipient);
  facts.message_bytes = message_.envelope.message_bytes;
  facts.queue_time = queue_time(message_.envelope, now, queue_.config_->options().log_selector);
  facts.delivery_time = now - started_;
  const std::string line =
      delivered_line(facts, recipient.outcome, is_first, queue_.config_->options().log_selector);
  const LogEvent event = is_first ? LogEvent::delivery : LogEvent::delivery_extra;
  if (!tells_json_) {
    queue_.services_.log.main(event, facts_.id, line);
    return;
  }
  const std::string host =
      recipient.outcome.remote != nullptr ? recipient.outcome.remote->endpoint.to_string() : "";
  queue_.services_.log.main(event, facts_.id, line,
                            {{"recipient", recipient.address},
                             {"sender", facts_.sender_address},
                             {"router", facts.router},
                             {"transport", facts.transport},
                             {"host", host},
                             {"confirmation", recipient.outcome.confirmation}});
}

void DeliveryAttempt::log_deferred(const Recipient& recipient) {
  log_undelivered(recipient, LogEvent::deferral, &deferred_line);
}

void DeliveryAttempt::log_failed(const Recipient& recipient) {
  ++queue_.stats_.failed;
  log_undelivered(recipient, LogEvent::failure, &failed_line);
}

void DeliveryAttempt::log_undelivered(const Recipient& recipient, LogEvent event,
                                      UndeliveredLine make_line) {
  const Transport* transport = recipient.route.transport >= 0
                                   ? queue_.config_->transports->at(recipient.route.transport)
                                   : nullptr;
  if (is_silent(transport, recipient.route.router)) return;
  DeliveryLineFacts facts = line_facts(transport, recipient.route.router, recipient.outcome);
  if (recipient.outcome.error_number == kErrorRoutingRetry) facts.router = facts.transport = {};
  facts.queue = facts_.queue_name;
  const std::string shown = log_address(recipient, false);
  facts.address = shown;
  facts.sender = facts_.sender_address;
  facts.return_path = return_path_of(recipient);
  facts.delivery_time = queue_.services_.loop.clock().wall() - started_;
  const std::string line =
      make_line(facts, recipient.outcome, queue_.config_->options().log_selector);
  queue_.services_.log.main(event, facts_.id, line,
                            {{"recipient", recipient.address},
                             {"sender", facts_.sender_address},
                             {"router", facts.router},
                             {"transport", facts.transport},
                             {"reason", recipient.outcome.text}});
}

}  // namespace godwit::delivery
