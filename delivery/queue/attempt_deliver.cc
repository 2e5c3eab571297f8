// Grouping the routed recipients of an attempt into transactions, and delivering those.
#include "core/io/fiber.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/attempt_events.h"
#include "delivery/queue/host_claim.h"
#include "delivery/queue/local_scene.h"
#include "delivery/route/route_facts.h"
#include "protocol/message/address_syntax.h"

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
  } else if (!fits_locally(batch, recipient)) {
    return false;
  }
  if (batch.return_path != return_path_of(recipient)) return false;
  const AddressProperties& first = recipients_[batch.members.front()].route.properties;
  const AddressProperties& own = recipient.route.properties;
  if (first.headers_add != own.headers_add || first.headers_remove != own.headers_remove)
    return false;
  const Recipient& leader = recipients_[batch.members.front()];
  if (!transport->mixes_domains() || !leader.mixes_domains)
    return leader.domain == recipient.domain;
  return recipient.mixes_domains;
}

// Several recipients of one local delivery have all but their addresses in common.
bool DeliveryAttempt::fits_locally(const Batch& batch, const Recipient& recipient) const {
  const BatchRules& rules = batch.transport->batching();
  if (batch.members.size() >= rules.max) return false;
  const Recipient& first = recipients_[batch.members.front()];
  const RouteResult& a = first.route;
  const RouteResult& b = recipient.route;
  if (rules.has_id && (!first.batch_id || first.batch_id != recipient.batch_id)) return false;
  if (first.kind != recipient.kind) return false;
  // Redirected straight to a file: each by itself. To a command: where it is the same.
  if (first.kind == GeneratedKind::pipe && first.address != recipient.address) return false;
  if (first.kind != GeneratedKind::pipe && first.kind != GeneratedKind::address) return false;
  const auto host_of = [](const RouteResult& route) {
    const bool has_host = route.hosts != nullptr && !route.hosts->hosts.empty();
    return has_host ? std::string_view(route.hosts->hosts.front().name) : std::string_view();
  };
  return a.user == b.user && a.group == b.group && a.home == b.home &&
         a.current_directory == b.current_directory && host_of(a) == host_of(b);
}

// batch_id; nothing where it has no value, and then the recipient goes by itself.
Task<void> DeliveryAttempt::find_batch_ids() {
  for (Recipient& recipient : recipients_) {
    if (recipient.state != State::pending) continue;
    const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
    if (transport->is_remote() || !transport->batching().has_id) continue;
    const acl::AddressFacts address = address_facts(recipient);
    acl::EvalContext evaluation = evaluation_of(address);
    auto expanding = [&] { return transport->batching().id.evaluate(evaluation); };
    acl::EvalResult id = co_await on_fiber(expanding);
    if (id.ok()) recipient.batch_id = std::move(id.text);
  }
}

// multi_domain where it is an expression; a recipient for which it is no boolean waits.
Task<void> DeliveryAttempt::find_multi_domain() {
  for (size_t at = 0; at < recipients_.size(); ++at) {
    Recipient& recipient = recipients_[at];
    if (recipient.state != State::pending) continue;
    const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
    if (!transport->is_remote()) continue;
    const FlagOption& option = static_cast<const SmtpTransport*>(transport)->multi_domain();
    if (option.constant()) continue;
    const Batch alone{transport, recipient.route.hosts, {}, 0, {at}};
    const std::unique_ptr<LocalScene> scene = scene_of(alone);
    const auto asking = [&option, &scene] { return option.evaluate(scene->evaluation); };
    const Result<bool> answer = co_await on_fiber(asking);
    if (answer) {
      recipient.mixes_domains = *answer;
      continue;
    }
    DeliveryOutcome outcome;
    outcome.error_number = kErrorUnknown;
    outcome.text = answer.error().detail();
    queue_.services_.log.panic(LogEvent::configuration, facts_.id, outcome.text);
    co_await settle_all(alone, std::move(outcome));
  }
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

// remote_sort_domains: those of the first item first, those of none last.
Task<void> DeliveryAttempt::sort_remote(std::span<Batch> batches) {
  const auto& order = queue_.config_->remote_order;
  if (order.empty() || batches.size() < 2) co_return;
  struct Ranked {
    size_t rank;
    Batch batch;
  };
  std::vector<Ranked> ranked;
  auto ranking = [&] {
    for (Batch& batch : batches) {
      const Recipient& first = recipients_[batch.members.front()];
      const acl::AddressFacts address = address_facts(first);
      acl::EvalContext evaluation = evaluation_of(address);
      size_t rank = 0;
      while (rank < order.size() &&
             order[rank]->match({first.domain, std::nullopt, {}}, evaluation).match !=
                 acl::Match::yes)
        ++rank;
      ranked.push_back({rank, std::move(batch)});
    }
    return true;
  };
  co_await on_fiber(ranking);
  std::ranges::stable_sort(ranked, {}, &Ranked::rank);
  for (size_t i = 0; i < ranked.size(); ++i) batches[i] = std::move(ranked[i].batch);
}

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
  co_await sort_remote(std::span(batches).subspan(local_count));
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
                        !options.headers_rewrite.is_set && smtp->expanded_port() == nullptr &&
                        !batch.transport->prepares();
  if (is_plain) {
    co_await deliver_remote(batch, *smtp, message_.content);
    co_return;
  }
  const std::unique_ptr<LocalScene> scene = scene_of(batch);
  std::unique_ptr<HostClaim> claim;
  DeliveryOutcome trouble;
  if (options.max_parallel.is_set) {
    claim = co_await claim_turn(batch, *scene, trouble);
    if (claim == nullptr && !trouble.text.empty()) {
      co_await settle_all(batch, std::move(trouble));
      co_return;
    }
  }
  std::optional<MessageContent> content = co_await prepare(batch, *scene, trouble);
  if (!content) {
    co_await settle_all(batch, std::move(trouble));
    co_return;
  }
  if (smtp != nullptr) {
    co_await deliver_remote(batch, *smtp, *content);
  } else {
    co_await deliver_local(batch, *content, *scene);
  }
}

acl::AddressFacts DeliveryAttempt::address_facts(const Recipient& recipient) const {
  acl::AddressFacts address = facts_of(recipient.route);
  const Recipient* top = &recipient;
  while (top->parent != kNone) top = &recipients_[top->parent];
  address.original_local_part = top->local_part;
  address.original_domain = top->domain;
  if (recipient.parent != kNone) {
    address.parent_local_part = recipients_[recipient.parent].local_part;
    address.parent_domain = recipients_[recipient.parent].domain;
  }
  if (recipient.kind == GeneratedKind::pipe) {
    address.pipe = recipient.address.substr(1);
  } else if (recipient.kind != GeneratedKind::address) {
    address.file = recipient.address;
  }
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
  evaluation.trace = trace_;
  evaluation.now = queue_.services_.loop.clock().wall();
  return evaluation;
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
                                          LocalScene& scene) {
  std::vector<DeliveryOutcome> outcomes = co_await run_local(batch, content, scene);
  if (!outcomes.front().output_line.empty())
    queue_.services_.log.main(LogEvent::note, facts_.id,
                              "<" + recipients_[batch.members.front()].address +
                                  ">: " + batch.transport->name() +
                                  " transport output: " + outcomes.front().output_line);
  if (batch.transport->shadow() != nullptr) co_await run_shadow(batch, scene, outcomes);
  bool is_first = true;
  for (size_t i = 0; i < batch.members.size(); ++i) {
    Recipient& recipient = recipients_[batch.members[i]];
    settle(recipient, std::move(outcomes[i]), is_first);
    if (has_events(batch)) co_await tell(recipient);
  }
}

Task<std::vector<DeliveryOutcome>> DeliveryAttempt::run_local(const Batch& batch,
                                                              const MessageContent& content,
                                                              LocalScene& scene) {
  const Recipient& first = recipients_[batch.members.front()];
  const LocalRecipient who{
      scene.address.local_part, scene.address.domain,   scene.addresses.front(),
      scene.evaluation,         scene.evaluation.now,   first.route.user,
      first.route.group,        first.route.initgroups, queue_.config_->never_users};
  const LocalDelivery delivery{who,     message_.envelope, content,         batch.return_path,
                               &queue_, scene.recipients,  scene.addresses, scene.directory};
  if (batch.members.size() == 1) {
    std::vector<DeliveryOutcome> one;
    one.push_back(co_await batch.transport->deliver(queue_.services_.loop, delivery));
    co_return one;
  }
  std::vector<smtp::ClientRecipient> recipients;
  for (const std::string& recipient : scene.recipients)
    recipients.emplace_back().address = recipient;
  std::vector<DeliveryOutcome> outcomes = co_await batch.transport->deliver_batch(
      queue_.services_.loop, delivery, std::move(recipients));
  co_return outcomes;
}

// A second copy, of which nobody hears but the log.
Task<void> DeliveryAttempt::run_shadow(const Batch& batch, LocalScene& scene,
                                       std::vector<DeliveryOutcome>& outcomes) {
  Batch copy;
  copy.transport = batch.transport->shadow();
  copy.return_path = return_path_of(recipients_[batch.members.front()]);
  std::vector<size_t> delivered;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].kind != OutcomeKind::delivered) continue;
    delivered.push_back(i);
    copy.members.push_back(batch.members[i]);
  }
  if (delivered.empty() || !co_await wants_shadow(batch, scene)) co_return;
  const std::unique_ptr<LocalScene> own = scene_of(copy);
  DeliveryOutcome trouble;
  std::vector<DeliveryOutcome> came;
  const std::optional<MessageContent> content = co_await prepare(copy, *own, trouble);
  if (content) {
    came = co_await run_local(copy, *content, *own);
  } else {
    came.assign(delivered.size(), trouble);
  }
  for (size_t i = 0; i < delivered.size(); ++i) {
    std::string& shadow = outcomes[delivered[i]].shadow;
    shadow = copy.transport->name();
    if (came[i].kind != OutcomeKind::delivered) shadow += " (" + came[i].text + ")";
  }
}

Task<bool> DeliveryAttempt::wants_shadow(const Batch& batch, LocalScene& scene) {
  if (!batch.transport->options().shadow_condition.is_set) co_return true;
  const acl::Expansion& condition = batch.transport->generic().shadow_condition;
  auto asking = [&] { return condition.evaluate(scene.evaluation); };
  const acl::EvalResult answer = co_await on_fiber(asking);
  if (!answer.ok()) {
    if (answer.status != acl::EvalStatus::forced_fail)
      queue_.services_.log.panic(LogEvent::configuration, facts_.id,
                                 "failed to expand shadow condition \"" +
                                     std::string(condition.source()) + "\" for " +
                                     batch.transport->name() + ": " + answer.text);
    co_return false;
  }
  const std::string_view text = answer.text;
  co_return !text.empty() && text != "0" && text != "no" && text != "false";
}

}  // namespace godwit::delivery
