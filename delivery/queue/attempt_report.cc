// The reports of an attempt: failure, delay and success notifications. A report is durable before
// the recipients that it is about count as done. RFC 3461 5, 6; EXIM.md 1.12.
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/limits.h"
#include "delivery/queue/report_template.h"
#include "protocol/message/address_syntax.h"
#include "protocol/report/report.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

// One report: to whom, and about which recipients.
struct ReportPlan {
  report::ReportKind kind = report::ReportKind::failure;
  std::string to;
  std::vector<report::ReportedRecipient> recipients;
};

report::ReportedRecipient DeliveryAttempt::reported(const Recipient& recipient,
                                                    report::Action action,
                                                    const DeliveryOutcome& outcome) const {
  report::ReportedRecipient out;
  out.address = recipient.address;
  out.orcpt = recipient.orcpt;
  if (recipient.parent != kNone && recipient.inherited.is_hidden) {
    const Recipient* top = &recipient;
    while (top->parent != kNone) top = &recipients_[top->parent];
    out.address = top->address;
    out.is_hidden = true;
  }
  out.action = action;
  out.text = outcome.text;
  if (!outcome.output.empty()) out.text += "\n" + outcome.output;
  out.reply = outcome.reply;
  out.status = outcome.status;
  if (action == report::Action::delayed) out.retry_until = outcome.retry_until;
  if (outcome.remote == nullptr) return out;
  out.remote_name = outcome.remote->host_name;
  const Endpoint& at = outcome.remote->endpoint;
  out.remote_ip = at.port == 25 ? "[" + at.address.to_string() + "]" : at.to_string();
  out.greeting = outcome.remote->greeting;
  out.helo_reply = outcome.remote->helo_reply;
  return out;
}

bool DeliveryAttempt::wants_failure_report(const Recipient& recipient) const noexcept {
  if ((recipient.dsn_flags & kDsnNever) != 0) return false;
  return recipient.dsn_flags == 0 || (recipient.dsn_flags & kDsnFailure) != 0;
}

// A bounce is never bounced: it is frozen, or dropped where its retry time or
// ignore_bounce_errors_after is over.
bool DeliveryAttempt::is_error_ignored(const Recipient& recipient) const {
  const Seconds keep = queue_.config_->options().ignore_bounce_errors_after;
  const WallTime now = queue_.services_.loop.clock().wall();
  return recipient.outcome.retry_expired || keep.count == 0 ||
         now - message_.envelope.received >= Millis(keep);
}

void DeliveryAttempt::log_ignored(const Recipient& recipient, std::string_view why) const {
  std::string line = recipient.address;
  if (recipient.parent != kNone) line += " <" + recipients_[recipient.parent].address + ">";
  queue_.services_.log.main(LogEvent::removed, facts_.id,
                            line.append(": error ignored").append(why));
}

// False where a report could not be made durable.
Task<bool> DeliveryAttempt::report_failures() {
  Done done;
  std::vector<ReportPlan> plans;
  std::vector<size_t> told;
  bool undeliverable_bounce = false;
  for (size_t at = 0; at < recipients_.size(); ++at) {
    const Recipient& recipient = recipients_[at];
    if (recipient.state != State::failed || recipient.done) continue;
    const std::string to(return_path_of(recipient));
    // errors_to may say that nobody is told; without a sender it is a bounce that cannot go back.
    const bool nobody = recipient.route.properties.errors_to == "<>";
    const bool is_bounce = to.empty() && !nobody;
    if (is_bounce && !is_error_ignored(recipient)) {
      undeliverable_bounce = true;
      continue;
    }
    told.push_back(at);
    if (nobody || is_bounce) {
      log_ignored(recipient, "");
      continue;
    }
    if (!wants_failure_report(recipient)) {
      log_ignored(recipient, ": RFC 3461 DSN, failure notify not requested");
      continue;
    }
    auto plan =
        std::find_if(plans.begin(), plans.end(), [&](const ReportPlan& p) { return p.to == to; });
    if (plan == plans.end()) {
      plans.emplace_back().to = to;
      plan = plans.end() - 1;
    }
    plan->recipients.push_back(reported(recipient, report::Action::failed, recipient.outcome));
  }
  for (ReportPlan& plan : plans) {
    const bool sent = co_await send_report(std::move(plan));
    if (!sent) co_return false;
  }
  for (size_t at : told) mark_done(at, done);
  record(done, true);
  if (!undeliverable_bounce) co_return true;
  queue_.services_.log.main(LogEvent::frozen, facts_.id, "Frozen (delivery error message)");
  freeze_ = true;
  co_return true;
}

// delay_warning_condition. What cannot be asked does not keep the warning back.
bool DeliveryAttempt::wants_warning() {
  const acl::AddressFacts nobody;
  acl::EvalContext evaluation = evaluation_of(nobody);
  const acl::EvalResult answer =
      queue_.config_->policy->expansion("delay_warning_condition").evaluate(evaluation);
  if (!answer.ok()) return true;
  const std::string_view text = trim(answer.text);
  return !text.empty() && text != "0" && !equals_ignore_case(text, "no") &&
         !equals_ignore_case(text, "false");
}

// delay_warning lists the ages at which the sender is told that a message still waits; the last
// interval goes on for ever.
Task<void> DeliveryAttempt::report_delay() {
  const config::TimeList& ages = queue_.config_->options().delay_warning;
  const std::string& sender = facts_.sender_address;
  if (ages.empty() || ages.front().count == 0 || sender.empty()) co_return;
  const WallTime now = queue_.services_.loop.clock().wall();
  const Millis age = now - message_.envelope.received;
  const Progress* progress = message_.entry.progress.get();
  const unsigned sent = progress == nullptr ? 0U : progress->warnings_sent;
  int64_t due_seconds = ages[std::min<size_t>(sent, ages.size() - 1)].count;
  if (sent >= ages.size())
    due_seconds += static_cast<int64_t>(sent + 1 - ages.size()) * ages.back().count;
  if (age < Millis(Seconds{due_seconds})) co_return;

  ReportPlan plan;
  plan.kind = report::ReportKind::delay;
  plan.to = sender;
  for (const Recipient& recipient : recipients_) {
    if (recipient.state != State::deferred) continue;
    const bool wanted = recipient.dsn_flags == 0 || (recipient.dsn_flags & kDsnDelay) != 0;
    if (!wanted) continue;
    plan.recipients.push_back(reported(recipient, report::Action::delayed, recipient.outcome));
  }
  if (plan.recipients.empty()) co_return;
  auto asking = [this] { return wants_warning(); };
  const bool wanted = co_await on_fiber(asking);
  if (!wanted) co_return;
  const bool told = co_await send_report(std::move(plan));
  if (!told) co_return;
  message_.entry.need_progress().warnings_sent = static_cast<uint8_t>(std::min(sent + 1, 255U));
  queue_.services_.store->update(
      message_.entry.ref,
      encode_number(ChangeKind::warned, message_.entry.progress->warnings_sent));
}

// Delivered into a mailbox: "delivered". Handed to a host that does no DSN: "relayed". To one that
// does, NOTIFY went along and it reports (RFC 3461 5.2.2).
Task<void> DeliveryAttempt::report_success() {
  if (facts_.sender_address.empty()) co_return;
  ReportPlan plan;
  plan.kind = report::ReportKind::success;
  plan.to = facts_.sender_address;
  for (const Recipient& recipient : recipients_) {
    if (recipient.state != State::delivered || (recipient.dsn_flags & kDsnSuccess) == 0) continue;
    const bool is_last_hop = recipient.route.router->options().dsn_lasthop;
    if (recipient.outcome.remote != nullptr && recipient.outcome.remote->does_dsn && !is_last_hop)
      continue;
    const bool is_remote = recipient.outcome.remote != nullptr;
    plan.recipients.push_back(
        reported(recipient, is_remote ? report::Action::relayed : report::Action::delivered,
                 recipient.outcome));
  }
  if (plan.recipients.empty()) co_return;
  const bool told = co_await send_report(std::move(plan));
  if (!told) {
    queue_.services_.log.panic(LogEvent::spool, facts_.id,
                               "a success report could not be written and is lost");
  }
}

// What of the body goes back: all of it, up to bounce_return_size_limit.
Task<std::string> DeliveryAttempt::body_to_return(bool& cut) {
  const auto limit = static_cast<uint64_t>(
      std::max<int64_t>(0, queue_.config_->options().bounce_return_size_limit));
  const uint64_t room = limit == 0 ? message_.content.body_bytes() : limit;
  std::string body;
  if (message_.content.is_in_memory()) {
    for (const spool::MessageBytes::Chunk& chunk : message_.content.body_chunks()) {
      body += chunk.view().substr(0, room - body.size());
    }
  } else {
    std::string page;
    while (body.size() < std::min(room, message_.content.body_bytes())) {
      const Result<std::string_view> piece = co_await message_.content.read_page(body.size(), page);
      if (!piece || piece->empty()) break;
      body += piece->substr(0, room - body.size());
    }
  }
  cut = body.size() < message_.content.body_bytes();
  if (cut) body.resize(body.rfind("\r\n") == std::string::npos ? 0 : body.rfind("\r\n") + 2);
  co_return body;
}

// bounce_message_file, warn_message_file.
Task<ReportTexts> DeliveryAttempt::own_texts(const ReportPlan& plan, acl::EvalContext evaluation) {
  const config::MainOptions& options = queue_.config_->options();
  const bool is_delay = plan.kind == report::ReportKind::delay;
  const bool is_set =
      is_delay ? options.warn_message_file.is_set
               : plan.kind == report::ReportKind::failure && options.bounce_message_file.is_set;
  if (!is_set) co_return ReportTexts();
  const acl::CompiledPolicy& policy = *queue_.config_->policy;
  acl::ReportTextFacts told;
  if (is_delay) {
    told.warn_delay = report::delay_text(evaluation.now - message_.envelope.received);
    told.warn_recipients = plan.to;
  } else {
    told.bounce_recipient = plan.to;
  }
  evaluation.report = &told;
  evaluation.services = queue_.services_.evaluators;
  const acl::Expansion& file =
      policy.expansion(is_delay ? "warn_message_file" : "bounce_message_file");
  auto writing = [&] {
    return report_texts(file, policy.lists().get(), evaluation, queue_.services_.log);
  };
  ReportTexts texts = co_await on_fiber(writing);
  // The third item of a bounce introduces what a command wrote, which stands with its recipient.
  if (!is_delay) texts.ending.clear();
  co_return texts;
}

// errors_copy.
Task<std::vector<std::string>> DeliveryAttempt::copies_of_report(std::string recipient,
                                                                 acl::EvalContext evaluation) {
  const std::vector<ErrorsCopy>& items = queue_.config_->errors_copy;
  if (items.empty()) co_return std::vector<std::string>();
  acl::AddressFacts address;
  const message::AddressParts parts = message::split_address(recipient);
  address.local_part = parts.local_part;
  address.domain = to_lower(parts.domain);
  evaluation.address = &address;
  evaluation.services = queue_.services_.evaluators;
  std::string problem;
  auto asking = [&] { return copies_of(items, recipient, evaluation, problem); };
  std::vector<std::string> copies = co_await on_fiber(asking);
  if (!problem.empty())
    queue_.services_.log.panic(LogEvent::configuration, facts_.id, "errors_copy: " + problem);
  co_return copies;
}

Task<bool> DeliveryAttempt::send_report(ReportPlan plan) {
  const config::MainOptions& options = queue_.config_->options();
  const acl::CompiledPolicy& policy = *queue_.config_->policy;
  acl::EvalContext evaluation;
  evaluation.server = &queue_.services_.server;
  evaluation.message = &facts_;
  evaluation.now = queue_.services_.loop.clock().wall();

  report::ReportFacts facts;
  facts.custom_text = options.bounce_message_text;
  const ReportTexts own = co_await own_texts(plan, evaluation);
  facts.own_headers = own.headers;
  facts.own_introduction = own.introduction;
  facts.own_ending = own.ending;
  facts.utc = options.timezone == "UTC";
  facts.kind = plan.kind;
  const std::string from = policy.expansion("dsn_from").evaluate(evaluation).text;
  const std::string reply_to = policy.expansion("errors_reply_to").evaluate(evaluation).text;
  const acl::ServerFacts& server = queue_.services_.server;
  const message::MessageId report_id = queue_.services_.ids.next(evaluation.now);
  facts.from = from;
  facts.reply_to = reply_to;
  facts.to = plan.to;
  facts.message_id = report_id.text();
  const acl::MessageIdWords id_words = co_await queue_.message_id_words();
  facts.message_id_text = id_words.text;
  facts.message_id_domain = id_words.domain;
  facts.reporting_mta =
      server.smtp_active_hostname.empty() ? server.primary_hostname : server.smtp_active_hostname;
  facts.primary_hostname = server.primary_hostname;
  facts.original_id = facts_.id;
  facts.original_envid = message_.envelope.dsn_envid;
  facts.original_headers = message_.content.header_section();
  facts.original_received = message_.envelope.received;
  facts.original_bytes = message_.envelope.message_bytes;
  facts.smtputf8 = message_.envelope.smtputf8;
  facts.now = evaluation.now;
  facts.recipients = std::move(plan.recipients);
  const bool is_failure = plan.kind == report::ReportKind::failure;
  const bool wants_body = message_.envelope.dsn_ret == DsnRet::unset
                              ? options.bounce_return_body
                              : message_.envelope.dsn_ret == DsnRet::full;
  const bool has_long_lines = options.bounce_return_linesize_limit > 0 &&
                              message_.envelope.line_bytes_max >
                                  static_cast<uint64_t>(options.bounce_return_linesize_limit);
  facts.returns_message = !is_failure || options.bounce_return_message;
  facts.returns_body = is_failure && wants_body && options.bounce_return_message && !has_long_lines;
  std::string body;
  if (facts.returns_body) body = co_await body_to_return(facts.body_was_cut);
  facts.original_body = body;
  report::ReportText text = report::make_report(facts);

  Envelope envelope;
  envelope.message_id = report_id.to_string();
  envelope.recipients.push_back({plan.to, {}, {}, 0});
  if (is_failure) {
    std::vector<std::string> copies = co_await copies_of_report(plan.to, evaluation);
    for (std::string& copy : copies) envelope.recipients.push_back({std::move(copy), {}, {}, 0});
  }
  envelope.received = evaluation.now;
  envelope.protocol = "local";
  envelope.is_local = true;
  envelope.is_local_error = true;
  envelope.smtputf8 = message_.envelope.smtputf8;
  const Result<void> injected =
      co_await queue_.inject(std::move(envelope), std::move(text.headers), std::move(text.body),
                             facts_.id, std::move(text.message_id));
  if (!injected) {
    queue_.services_.log.panic(LogEvent::spool, facts_.id,
                               "a report could not be written: " + injected.error().to_string());
  }
  co_return injected.has_value();
}

}  // namespace godwit::delivery
