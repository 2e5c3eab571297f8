#include "delivery/queue/attempt.h"

#include "core/base/ascii.h"
#include "delivery/queue/limits.h"
#include "delivery/queue/log_lines.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {
namespace {

// "[192.0.2.1]:25" of an envelope, or nothing for local mail.
std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const size_t close = text.find(']');
  if (!text.starts_with('[') || close == std::string_view::npos) return std::nullopt;
  const Result<IpAddress> address = IpAddress::parse(text.substr(1, close - 1));
  if (!address) return std::nullopt;
  const size_t colon = text.find(':', close);
  const std::optional<uint64_t> port =
      colon == std::string_view::npos ? std::nullopt : parse_decimal(text.substr(colon + 1));
  return Endpoint{*address, static_cast<uint16_t>(port.value_or(0))};
}

}  // namespace

DeliveryAttempt::DeliveryAttempt(Queue& queue, ActiveMessage& message)
    : queue_(queue),
      message_(message),
      started_(queue.services_.loop.clock().wall()),
      tells_json_(queue.services_.log.wants_fields()) {}

void DeliveryAttempt::gather() {
  const Envelope& envelope = message_.envelope;
  const Progress* progress = message_.entry.progress.get();
  for (uint32_t i = 0; i < envelope.recipients.size(); ++i) {
    if (progress != nullptr && progress->is_done(i)) continue;
    const EnvelopeRecipient& from = envelope.recipients[i];
    Recipient& recipient = recipients_.emplace_back();
    recipient.index = i;
    recipient.address = from.address;
    recipient.orcpt = from.orcpt;
    recipient.dsn_flags = from.dsn_flags;
    const size_t at = from.address.rfind('@');
    recipient.local_part = from.address.substr(0, at);
    if (at != std::string::npos)
      recipient.domain = to_lower(std::string_view(from.address).substr(at + 1));
    recipient.route.errors_to = from.errors_to;
  }
  facts_.id = envelope.message_id;
  facts_.sender_address = message_.sender();
  facts_.size = static_cast<int64_t>(envelope.message_bytes);
  facts_.body_lines = static_cast<int64_t>(envelope.body_lines);
  facts_.received_at = envelope.received;
  facts_.rcpt_count = static_cast<int64_t>(envelope.recipients.size());
  connection_facts_.sender_host = parse_endpoint(envelope.host_address);
  connection_facts_.sender_host_name = envelope.host_name;
  connection_facts_.sender_helo_name = envelope.helo_name;
  connection_facts_.sender_ident = envelope.ident;
  connection_facts_.interface = parse_endpoint(envelope.interface_address);
  connection_facts_.received_protocol = envelope.protocol;
  connection_facts_.sender_host_authenticated = envelope.auth_name;
  connection_facts_.authenticated_id = envelope.auth_id;
  connection_facts_.authenticated_sender = envelope.auth_sender;
  for (const EnvelopeVariable& variable : envelope.variables) {
    acl::AclVariables& table =
        variable.name.starts_with("acl_c") ? connection_variables_ : message_variables_;
    table.emplace(variable.name, variable.value);
  }
}

Task<AttemptVerdict> DeliveryAttempt::run() {
  gather();
  co_await route_all();
  std::vector<Batch> work = batches();
  unfinished_batches_ = work.size();
  if (!work.empty()) {
    const Result<void> loaded = co_await message_.content.load_headers();
    if (!loaded) {
      DeliveryOutcome unreadable;
      unreadable.text = "reading the spool failed: " + loaded.error().to_string();
      for (Recipient& recipient : recipients_) {
        if (recipient.state != State::pending) continue;
        recipient.outcome = unreadable;
        settle_deferral(recipient);
      }
      work.clear();
    }
  }
  if (!work.empty()) co_await deliver_all(std::move(work));
  co_return co_await finish();
}

Task<AttemptVerdict> DeliveryAttempt::fail_all(std::string why) {
  gather();
  for (Recipient& recipient : recipients_) {
    recipient.state = State::failed;
    recipient.outcome.kind = OutcomeKind::failed;
    recipient.outcome.text = why;
    log_failed(recipient);
  }
  const Result<void> loaded = co_await message_.content.load_headers();
  if (!loaded) queue_.services_.log.panic(LogEvent::spool, facts_.id, loaded.error().to_string());
  co_return co_await finish();
}

// --- Grouping ------------------------------------------------------------------------------------

bool DeliveryAttempt::fits(const Batch& batch, const Recipient& recipient) const {
  const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
  if (batch.transport != transport || !transport->is_remote()) return false;
  const auto* smtp = static_cast<const SmtpTransport*>(transport);
  const int64_t max = smtp->smtp().max_rcpt;
  if (max > 0 && batch.members.size() >= static_cast<size_t>(max)) return false;
  if (batch.hosts->key != recipient.route.hosts->key) return false;
  const std::string_view return_path = recipient.route.errors_to.empty()
                                           ? std::string_view(facts_.sender_address)
                                           : recipient.route.errors_to;
  if (batch.return_path != return_path) return false;
  return smtp->mixes_domains() || recipients_[batch.members.front()].domain == recipient.domain;
}

std::vector<DeliveryAttempt::Batch> DeliveryAttempt::batches() const {
  std::vector<Batch> out;
  for (size_t i = 0; i < recipients_.size(); ++i) {
    const Recipient& recipient = recipients_[i];
    if (recipient.state != State::pending) continue;
    // Full batches come first; only the last ones can take another recipient.
    bool placed = false;
    for (size_t at = out.size(); at > 0 && !placed && out.size() - at < 64; --at) {
      if (!fits(out[at - 1], recipient)) continue;
      out[at - 1].members.push_back(i);
      placed = true;
    }
    if (placed) continue;
    Batch& batch = out.emplace_back();
    batch.transport = queue_.config_->transports->at(recipient.route.transport);
    batch.hosts = recipient.route.hosts;
    batch.return_path =
        recipient.route.errors_to.empty() ? facts_.sender_address : recipient.route.errors_to;
    batch.members.push_back(i);
  }
  return out;
}

// --- Delivering ----------------------------------------------------------------------------------

// At most remote_max_parallel of them at a time.
Task<void> DeliveryAttempt::deliver_all(std::vector<Batch> batches) {
  size_t next = 0;
  if (batches.size() == 1) {
    co_await deliver_in_turn(batches, next);
    co_return;
  }
  const auto lanes =
      static_cast<size_t>(std::max<int64_t>(1, queue_.config_->options().remote_max_parallel));
  for (size_t lane = 0; lane < std::min(lanes, batches.size()); ++lane)
    scope_.spawn(deliver_in_turn(batches, next));
  co_await scope_.join();
}

Task<void> DeliveryAttempt::deliver_in_turn(std::vector<Batch>& batches, size_t& next) {
  while (next < batches.size()) {
    const Batch& batch = batches[next++];
    co_await deliver(batch);
    --unfinished_batches_;
    record_done(batch);
  }
}

Task<void> DeliveryAttempt::deliver(const Batch& batch) {
  if (!batch.transport->is_remote()) {
    co_await deliver_local(batch);
    co_return;
  }
  const auto& smtp = static_cast<const SmtpTransport&>(*batch.transport);
  const int64_t longest = smtp.smtp().message_linelength_limit;
  if (longest > 0 && message_.envelope.line_bytes_max > static_cast<uint64_t>(longest)) {
    DeliveryOutcome too_long;
    too_long.kind = OutcomeKind::failed;
    too_long.text = "message has lines too long for transport";
    bool is_first = true;
    for (size_t member : batch.members) settle(recipients_[member], too_long, is_first);
    co_return;
  }
  co_await deliver_remote(batch, smtp);
}

Task<void> DeliveryAttempt::deliver_remote(const Batch& batch, const SmtpTransport& transport) {
  const Progress* progress = message_.entry.progress.get();
  RemoteDelivery delivery(message_.envelope, message_.content, batch.return_path, facts_.id);
  delivery.received = message_.envelope.received;
  delivery.forced = message_.entry.forced;
  if (progress != nullptr) delivery.in_doubt_host = progress->in_doubt_host;
  delivery.recipients.reserve(batch.members.size());
  for (size_t member : batch.members) {
    const Recipient& recipient = recipients_[member];
    const bool unchanged = transport.options().rcpt_include_affixes ||
                           (recipient.route.domain == recipient.domain &&
                            equals_ignore_case(recipient.route.local_part, recipient.local_part));
    smtp::ClientRecipient& to = delivery.recipients.emplace_back();
    to.address =
        unchanged ? recipient.address : recipient.route.local_part + "@" + recipient.route.domain;
    to.orcpt = recipient.orcpt;
    to.notify = recipient.dsn_flags;
  }
  co_await queue_.destinations_.deliver(transport, batch.hosts, delivery);
  bool is_first = true;
  for (size_t i = 0; i < batch.members.size(); ++i) {
    settle(recipients_[batch.members[i]], std::move(delivery.outcomes[i]), is_first);
  }
}

Task<void> DeliveryAttempt::deliver_local(const Batch& batch) {
  Recipient& recipient = recipients_[batch.members.front()];
  acl::AddressFacts address;
  address.local_part = recipient.route.local_part;
  address.domain = recipient.route.domain;
  address.original_local_part = recipient.local_part;
  address.original_domain = recipient.domain;
  address.address_data = recipient.route.address_data;
  address.router_name = recipient.route.router->name();
  address.transport_name = batch.transport->name();
  acl::EvalContext evaluation;
  evaluation.services = queue_.services_.evaluators;
  evaluation.server = &queue_.services_.server;
  evaluation.connection = &connection_facts_;
  evaluation.message = &facts_;
  evaluation.address = &address;
  evaluation.message_variables = &message_variables_;
  evaluation.connection_variables = &connection_variables_;
  evaluation.now = queue_.services_.loop.clock().wall();
  LocalDelivery delivery{message_.envelope, message_.content,  recipient.route.local_part,
                         recipient.domain,  recipient.address, batch.return_path,
                         evaluation,        evaluation.now};
  DeliveryOutcome outcome = co_await batch.transport->deliver(queue_.services_.loop, delivery);
  bool is_first = true;
  settle(recipient, std::move(outcome), is_first);
}

// --- Settling ------------------------------------------------------------------------------------

std::string DeliveryAttempt::retry_key(const Recipient& recipient) const {
  return "R:" + recipient.address + ":<" + facts_.sender_address + ">";
}

void DeliveryAttempt::settle(Recipient& recipient, DeliveryOutcome outcome, bool& is_first) {
  recipient.outcome = std::move(outcome);
  switch (recipient.outcome.kind) {
    case OutcomeKind::delivered:
      recipient.state = State::delivered;
      ++queue_.stats_.delivered;
      log_delivered(recipient, std::exchange(is_first, false));
      queue_.keeper_.succeeded(retry_key(recipient));
      return;
    case OutcomeKind::failed:
      recipient.state = State::failed;
      log_failed(recipient);
      queue_.keeper_.succeeded(retry_key(recipient));
      return;
    case OutcomeKind::deferred:
      settle_deferral(recipient);
      return;
  }
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
  const bool is_message = outcome.scope == FailureScope::message && outcome.remote != nullptr;
  if (outcome.scope != FailureScope::host && outcome.scope != FailureScope::none) {
    const std::string key = is_message
                                ? "T:" + outcome.remote->host_name + ":" +
                                      outcome.remote->endpoint.address.to_string() + ":" + facts_.id
                                : retry_key(recipient);
    retry::RetryKeeper::Failed failed;
    failed.key = key;
    failed.rule_key = recipient.address;
    if (outcome.remote != nullptr) failed.host = outcome.remote->host_name;
    failed.sender = facts_.sender_address;
    failed.failure = outcome.failure;
    failed.error_number = outcome.error_number;
    failed.text = outcome.text;
    failed.received = message_.envelope.received;
    failed.now = now;
    const retry::RetryKeeper::Verdict verdict = queue_.keeper_.failed(failed);
    outcome.next_try = verdict.next_try;
    outcome.retry_expired = verdict.give_up;
  }
  if (outcome.next_try.micros == 0) outcome.next_try = now + kRoutingRetry;
  const bool is_hint_only = outcome.error_number == kErrorRetryNotReached;
  if (!is_hint_only ||
      queue_.config_->options().log_selector.has(config::LogSelector::retry_defer)) {
    log_deferred(recipient);
  }
  if (!outcome.retry_expired || freeze_) return;
  recipient.state = State::failed;
  outcome.kind = OutcomeKind::failed;
  outcome.text += outcome.text.empty() ? "retry timeout exceeded" : ": retry timeout exceeded";
  DeliveryOutcome shown;
  shown.text = "retry timeout exceeded";
  std::swap(shown, outcome);
  outcome.remote = nullptr;
  log_failed(recipient);
  std::swap(shown, outcome);
}

// Other batches are still under way: what this one did must not be done again after a crash.
void DeliveryAttempt::record_done(const Batch& batch) {
  std::vector<uint32_t> done;
  bool all_done = true;
  for (size_t member : batch.members) {
    const Recipient& recipient = recipients_[member];
    if (recipient.state == State::delivered) {
      done.push_back(recipient.index);
    } else {
      all_done = false;
    }
  }
  if (done.empty()) return;
  for (uint32_t recipient : done) message_.entry.need_progress().set_done(recipient);
  const bool is_last = all_done && unfinished_batches_ == 0 &&
                       message_.entry.progress->done.size() == message_.envelope.recipients.size();
  if (is_last) return;  // the end of the message says it all
  queue_.services_.store->update(message_.entry.ref, encode_done(done));
}

// --- Log -----------------------------------------------------------------------------------------

namespace {

DeliveryLineFacts line_facts(const Transport* transport, const Router* router) {
  DeliveryLineFacts facts;
  if (router != nullptr) facts.router = router->name();
  if (transport != nullptr) facts.transport = transport->name();
  return facts;
}

}  // namespace

void DeliveryAttempt::log_delivered(const Recipient& recipient, bool is_first) {
  const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
  if (transport->options().disable_logging || recipient.route.router->options().disable_logging)
    return;
  const WallTime now = queue_.services_.loop.clock().wall();
  DeliveryLineFacts facts = line_facts(transport, recipient.route.router);
  facts.address = recipient.address;
  if (!transport->is_remote()) facts.local_part = recipient.route.local_part;
  facts.sender = facts_.sender_address;
  facts.return_path =
      recipient.route.errors_to.empty() ? facts_.sender_address : recipient.route.errors_to;
  facts.message_bytes = message_.envelope.message_bytes;
  facts.queue_time = now - message_.envelope.received;
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
  DeliveryLineFacts facts = line_facts(transport, recipient.route.router);
  facts.address = recipient.address;
  facts.sender = facts_.sender_address;
  const std::string line =
      make_line(facts, recipient.outcome, queue_.config_->options().log_selector);
  queue_.services_.log.main(event, facts_.id, line,
                            {{"recipient", recipient.address},
                             {"sender", facts_.sender_address},
                             {"router", facts.router},
                             {"transport", facts.transport},
                             {"reason", recipient.outcome.text}});
}

// --- After the attempt ---------------------------------------------------------------------------

Task<AttemptVerdict> DeliveryAttempt::finish() {
  Verdict verdict;
  bool any_failed = false;
  bool any_deferred = false;
  verdict.next_attempt = WallTime{INT64_MAX};
  for (const Recipient& recipient : recipients_) {
    any_failed = any_failed || recipient.state == State::failed;
    if (recipient.state != State::deferred) continue;
    any_deferred = true;
    verdict.next_attempt = std::min(verdict.next_attempt, recipient.outcome.next_try);
  }
  co_await report_success();
  if (any_failed) {
    const bool told = co_await report_failures();
    if (!told) {
      // Nobody could be told: nothing is lost, the recipients are tried or told again later.
      verdict.next_attempt = queue_.services_.loop.clock().wall() + kUnreadableRetry;
      co_return verdict;
    }
    any_deferred = any_deferred || freeze_;
  }
  verdict.freeze = freeze_;
  verdict.complete = !any_deferred && !freeze_;
  if (any_deferred && !freeze_) co_await report_delay();
  const WallTime now = queue_.services_.loop.clock().wall();
  if (verdict.next_attempt < now + Seconds{1}) verdict.next_attempt = now + Seconds{1};
  co_return verdict;
}

}  // namespace godwit::delivery
