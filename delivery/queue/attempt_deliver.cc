// Grouping the routed recipients of an attempt into transactions, and delivering those.
#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/attempt_events.h"
#include "delivery/transport/header_changes.h"
#include "protocol/message/address_syntax.h"
#include "protocol/smtp/ports.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {
// --- Grouping ------------------------------------------------------------------------------------

bool DeliveryAttempt::fits(const Batch& batch, const Recipient& recipient) const {
  const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
  if (batch.transport != transport) return false;
  if (transport->is_remote()) {
    const int64_t max = static_cast<const SmtpTransport*>(transport)->smtp().max_rcpt;
    if (max > 0 && batch.members.size() >= static_cast<size_t>(max)) return false;
    if (batch.hosts->key != recipient.route.hosts->key) return false;
  } else if (batch.members.size() >= transport->batch_max()) {
    return false;
  }
  if (batch.return_path != return_path_of(recipient)) return false;
  const AddressProperties& first = recipients_[batch.members.front()].route.properties;
  const AddressProperties& own = recipient.route.properties;
  if (first.headers_add != own.headers_add || first.headers_remove != own.headers_remove)
    return false;
  return transport->mixes_domains() ||
         recipients_[batch.members.front()].domain == recipient.domain;
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
    batch.return_path = return_path_of(recipient);
    batch.members.push_back(i);
  }
  return out;
}

// --- Delivering ----------------------------------------------------------------------------------

// At most remote_max_parallel remote ones at a time; local ones one after the other beside them,
// since they may be about the same files.
Task<void> DeliveryAttempt::deliver_all(std::vector<Batch> batches) {
  const auto remote = std::stable_partition(batches.begin(), batches.end(), [](const Batch& batch) {
    return !batch.transport->is_remote();
  });
  const auto local_count = static_cast<size_t>(remote - batches.begin());
  size_t next_local = 0;
  size_t next_remote = local_count;
  if (batches.size() == 1) {
    co_await deliver_in_turn(batches, next_local, batches.size());
    co_return;
  }
  const auto lanes =
      static_cast<size_t>(std::max<int64_t>(1, queue_.config_->options().remote_max_parallel));
  if (local_count > 0) scope_.spawn(deliver_in_turn(batches, next_local, local_count));
  for (size_t lane = 0; lane < std::min(lanes, batches.size() - local_count); ++lane)
    scope_.spawn(deliver_in_turn(batches, next_remote, batches.size()));
  co_await scope_.join();
}

Task<void> DeliveryAttempt::deliver_in_turn(std::vector<Batch>& batches, size_t& next, size_t end) {
  for (;;) {
    co_await yield_if_late(queue_.services_.loop);
    if (next >= end) co_return;
    Batch& batch = batches[next++];
    co_await deliver(batch);
    --unfinished_batches_;
    record_done(batch);
  }
}

Task<void> DeliveryAttempt::deliver(Batch& batch) {
  const AddressProperties& properties = recipients_[batch.members.front()].route.properties;
  const TransportOptions& options = batch.transport->options();
  const auto* smtp =
      batch.transport->is_remote() ? static_cast<const SmtpTransport*>(batch.transport) : nullptr;
  const bool is_plain = smtp != nullptr && properties.headers_add.empty() &&
                        properties.headers_remove.empty() && options.headers_add.empty() &&
                        options.headers_remove.empty() && !options.return_path.is_set &&
                        !options.headers_rewrite.is_set && smtp->expanded_port() == nullptr;
  if (is_plain) {
    co_await deliver_remote(batch, *smtp, message_.content);
    co_return;
  }
  acl::AddressFacts address = address_facts(recipients_[batch.members.front()]);
  address.transport_name = batch.transport->name();
  acl::EvalContext evaluation = evaluation_of(address);
  evaluation.domain_data = properties.domain_data;
  evaluation.local_part_data = properties.local_part_data;
  auto preparing = [&] { return content_for(batch, evaluation); };
  const Result<MessageContent> content = co_await on_fiber(preparing);
  if (!content) {
    DeliveryOutcome outcome;
    outcome.scope = FailureScope::recipient;
    outcome.text = content.error().detail();
    co_await settle_all(batch, std::move(outcome));
    co_return;
  }
  if (smtp != nullptr) {
    co_await deliver_remote(batch, *smtp, *content);
  } else {
    co_await deliver_local(batch, *content, address);
  }
}

acl::AddressFacts DeliveryAttempt::address_facts(const Recipient& recipient) const {
  const RouteResult& route = recipient.route;
  acl::AddressFacts address;
  address.local_part = route.local_part;
  address.domain = route.domain;
  const Recipient* top = &recipient;
  while (top->parent != kNone) top = &recipients_[top->parent];
  address.original_local_part = top->local_part;
  address.original_domain = top->domain;
  if (recipient.parent != kNone) {
    address.parent_local_part = recipients_[recipient.parent].local_part;
    address.parent_domain = recipients_[recipient.parent].domain;
  }
  address.address_data = route.properties.address_data;
  address.variables = route.properties.variables;
  address.home = route.home;
  if (route.router != nullptr) address.router_name = route.router->name();
  address.local_part_prefix = route.prefix;
  address.local_part_suffix = route.suffix;
  address.self_hostname = route.self_hostname;
  // What a router lists for a local transport is text.
  const bool is_text = route.hosts != nullptr && !route.hosts->hosts.empty() &&
                       route.hosts->hosts.front().addresses.empty();
  if (is_text) address.host = route.hosts->hosts.front().name;
  if (recipient.kind == GeneratedKind::pipe) {
    address.pipe = recipient.address.substr(1);
  } else if (recipient.kind != GeneratedKind::address) {
    address.file = recipient.address;
  }
  if (route.user) address.user_id = *route.user;
  if (route.group) address.group_id = *route.group;
  return address;
}

acl::EvalContext DeliveryAttempt::evaluation_of(const acl::AddressFacts& address) {
  acl::EvalContext evaluation;
  evaluation.services = queue_.services_.evaluators;
  evaluation.server = &queue_.services_.server;
  evaluation.connection = &connection_facts_;
  evaluation.message = &facts_;
  evaluation.address = &address;
  evaluation.message_variables = &message_variables_;
  evaluation.connection_variables = &connection_variables_;
  evaluation.now = queue_.services_.loop.clock().wall();
  return evaluation;
}

Result<MessageContent> DeliveryAttempt::content_for(Batch& batch,
                                                    acl::EvalContext& evaluation) const {
  const AddressProperties& properties = recipients_[batch.members.front()].route.properties;
  HeaderChanges changes{properties.headers_add, properties.headers_remove};
  struct Part {
    const std::vector<acl::Expansion>& options;
    std::vector<std::string>& texts;
  };
  for (const Part& part : {Part{batch.transport->headers_add(), changes.add},
                           Part{batch.transport->headers_remove(), changes.remove}}) {
    for (const acl::Expansion& option : part.options) {
      acl::EvalResult text = option.evaluate(evaluation);
      if (text.status == acl::EvalStatus::forced_fail) continue;
      if (!text.ok())
        return Error(Errc::lookup_deferred, "failed to expand headers of transport " +
                                                batch.transport->name() + ": " + text.text);
      part.texts.push_back(std::move(text.text));
    }
  }
  if (batch.transport->options().return_path.is_set) {
    acl::EvalResult path = batch.transport->return_path().evaluate(evaluation);
    if (!path.ok() && path.status != acl::EvalStatus::forced_fail)
      return Error(Errc::lookup_deferred, "failed to expand return path \"" +
                                              std::string(batch.transport->return_path().source()) +
                                              "\": " + path.text);
    if (path.ok()) batch.return_path = path.text == "<>" ? "" : std::move(path.text);
  }
  const acl::Expansion* port =
      batch.transport->is_remote()
          ? static_cast<const SmtpTransport*>(batch.transport)->expanded_port()
          : nullptr;
  if (port != nullptr) {
    const acl::EvalResult text = port->evaluate(evaluation);
    const std::optional<uint16_t> number =
        text.ok() ? smtp::parse_port(trim(text.text)) : std::nullopt;
    if (!number)
      return Error(Errc::lookup_deferred, "invalid port for " + batch.transport->name() +
                                              " transport: \"" + text.text + "\"");
    batch.port = *number;
  }
  const rewrite::RewriteRules* rules = batch.transport->headers_rewrite();
  if (changes.empty() && rules == nullptr) return message_.content;
  // Lines that are added are not rewritten; those that go need not be.
  HeaderChanges removal;
  std::swap(removal.remove, changes.remove);
  std::string section = change_headers(message_.content.header_section(), removal);
  if (rules != nullptr) section = rewritten_section(*rules, std::move(section), evaluation);
  return message_.content.with_headers(change_headers(section, changes));
}

std::string DeliveryAttempt::rewritten_section(const rewrite::RewriteRules& rules,
                                               std::string section,
                                               acl::EvalContext& evaluation) const {
  std::vector<std::string> problems;
  std::optional<std::string> rewritten = rules.rewrite_headers(section, evaluation, problems);
  for (const std::string& problem : problems)
    queue_.services_.log.panic(LogEvent::configuration, facts_.id, problem);
  return rewritten ? std::move(*rewritten) : std::move(section);
}

// All recipients of the batch have the same outcome.
Task<void> DeliveryAttempt::settle_all(const Batch& batch, DeliveryOutcome outcome) {
  bool is_first = true;
  for (size_t member : batch.members) {
    settle(recipients_[member], outcome, is_first);
    if (has_events(batch)) co_await tell(recipients_[member]);
  }
}

Task<void> DeliveryAttempt::deliver_local(const Batch& batch, const MessageContent& content,
                                          const acl::AddressFacts& address) {
  Recipient& recipient = recipients_[batch.members.front()];
  acl::EvalContext evaluation = evaluation_of(address);
  evaluation.domain_data = recipient.route.properties.domain_data;
  evaluation.local_part_data = recipient.route.properties.local_part_data;
  LocalDelivery delivery{message_.envelope,
                         content,
                         recipient.route.local_part,
                         recipient.domain,
                         recipient.address,
                         batch.return_path,
                         evaluation,
                         evaluation.now,
                         &queue_,
                         recipient.route.user,
                         recipient.route.group};
  if (batch.members.size() > 1) {
    co_await deliver_local_batch(batch, delivery);
    co_return;
  }
  DeliveryOutcome outcome = co_await batch.transport->deliver(queue_.services_.loop, delivery);
  bool is_first = true;
  settle(recipient, std::move(outcome), is_first);
  if (has_events(batch)) co_await tell(recipient);
}

Task<void> DeliveryAttempt::deliver_local_batch(const Batch& batch, const LocalDelivery& delivery) {
  std::vector<smtp::ClientRecipient> recipients;
  for (size_t member : batch.members)
    recipients.emplace_back().address = recipients_[member].address;
  std::vector<DeliveryOutcome> outcomes = co_await batch.transport->deliver_batch(
      queue_.services_.loop, delivery, std::move(recipients));
  bool is_first = true;
  for (size_t i = 0; i < batch.members.size(); ++i) {
    Recipient& recipient = recipients_[batch.members[i]];
    settle(recipient, std::move(outcomes[i]), is_first);
    if (has_events(batch)) co_await tell(recipient);
  }
}

}  // namespace godwit::delivery
