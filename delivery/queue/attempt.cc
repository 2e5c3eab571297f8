#include "delivery/queue/attempt.h"

#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "delivery/queue/envelope_facts.h"
#include "delivery/queue/limits.h"
#include "delivery/queue/log_lines.h"
#include "protocol/message/body_ends.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {
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
    recipient.inherited.errors_to = from.errors_to;
    recipient.orcpt = from.orcpt;
    recipient.dsn_flags = from.dsn_flags;
    const size_t at = from.address.rfind('@');
    recipient.local_part = from.address.substr(0, at);
    if (at != std::string::npos)
      recipient.domain = to_lower(std::string_view(from.address).substr(at + 1));
    recipient.key = recipient.local_part + "@" + recipient.domain;
  }
  take_facts(envelope, {facts_, connection_facts_, connection_variables_, message_variables_});
  facts_.queue_name = message_.entry.queue_name();
  facts_.sender_address = message_.sender();
}

Task<AttemptVerdict> DeliveryAttempt::run() {
  AttemptTraces* traces = queue_.services_.traces;
  if (traces != nullptr) trace_ = traces->begin(message_.envelope.message_id);
  if (trace_ == nullptr) co_return co_await pass();
  const std::string id = message_.envelope.message_id;
  const std::string what = "delivery of " + id;
  trace_->event({acl::TraceKind::command_begin, "delivery", what, {}, {}});
  const Verdict verdict = co_await pass();
  const char* outcome = verdict.complete ? "completed" : verdict.freeze ? "frozen" : "waits";
  trace_->event({acl::TraceKind::command_end, "delivery", what, outcome, {}});
  traces->end(id);
  co_return verdict;
}

Task<AttemptVerdict> DeliveryAttempt::pass() {
  gather();
  const Result<void> loaded = co_await message_.content.load_headers();
  if (!loaded) {
    DeliveryOutcome unreadable;
    unreadable.text = "reading the spool failed: " + loaded.error().to_string();
    for (Recipient& recipient : recipients_) {
      recipient.outcome = unreadable;
      settle_deferral(recipient);
    }
    co_return co_await finish();
  }
  note_headers();
  facts_.body_bytes = static_cast<int64_t>(message_.content.body_bytes()) - facts_.body_lines;
  if (queue_.config_->reads_body) co_await look_at_body();
  if (message_.entry.progress != nullptr) {
    for (const std::string& change : message_.entry.progress->header_domains) {
      const size_t space = std::min(change.find(' '), change.size());
      apply_header_domain(std::string_view(change).substr(0, space), trim(change.substr(space)));
    }
  }
  co_await route_all();
  co_await tell_unrouted();
  co_await find_batch_ids();
  co_await find_multi_domain();
  std::vector<Batch> work = batches();
  unfinished_batches_ = work.size();
  if (!work.empty()) co_await deliver_all(std::move(work));
  co_return co_await finish();
}

// $message_body and $message_body_end. What cannot be read is left out: the delivery will say so.
Task<void> DeliveryAttempt::look_at_body() {
  const config::MainOptions& options = queue_.config_->options();
  message::BodyEnds ends(options.message_body_visible);
  const MessageContent& content = message_.content;
  if (content.is_in_memory()) {
    for (const spool::MessageBytes::Chunk& chunk : content.body_chunks()) ends.feed(chunk.view());
  } else {
    std::string page;
    for (uint64_t at = 0; at < content.body_bytes();) {
      const Result<std::string_view> piece = co_await content.read_page(at, page);
      if (!piece || piece->empty()) break;
      ends.feed(*piece);
      at += piece->size();
      // Between the two ends there is nothing to see.
      const uint64_t end = content.body_bytes() - std::min(content.body_bytes(), ends.room());
      if (at >= ends.room()) at = std::max(at, end);
    }
  }
  facts_.body_start = ends.start(options.message_body_newlines);
  facts_.body_end = ends.end(options.message_body_newlines);
}

Task<AttemptVerdict> DeliveryAttempt::fail_all(std::string why) {
  gather();
  for (Recipient& recipient : recipients_) {
    recipient.route.properties = recipient.inherited;
    recipient.state = State::failed;
    recipient.outcome.kind = OutcomeKind::failed;
    recipient.outcome.text = why;
    log_failed(recipient);
  }
  co_await tell_unrouted();
  const Result<void> loaded = co_await message_.content.load_headers();
  if (!loaded) queue_.services_.log.panic(LogEvent::spool, facts_.id, loaded.error().to_string());
  co_return co_await finish();
}

// --- After the attempt ---------------------------------------------------------------------------

Task<AttemptVerdict> DeliveryAttempt::finish() {
  Verdict verdict;
  replace_one_time();
  bool any_failed = false;
  bool any_deferred = false;
  verdict.next_attempt = WallTime{INT64_MAX};
  for (const Recipient& recipient : recipients_) {
    any_failed = any_failed || recipient.state == State::failed;
    if (recipient.state != State::deferred) continue;
    any_deferred = true;
    verdict.next_attempt = std::min(verdict.next_attempt, recipient.outcome.next_try);
    // Too old a message is tried once more, whatever the retry times of hosts and addresses.
    const WallTime expires = recipient.outcome.expires;
    if (expires > started_) verdict.next_attempt = std::min(verdict.next_attempt, expires);
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
