// What the options of a transport do to a message before it is handed over: header lines, parts,
// size, filter; and whether it may be handed over now.
#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/host_claim.h"
#include "delivery/queue/limits.h"
#include "delivery/queue/local_scene.h"
#include "delivery/transport/header_changes.h"
#include "delivery/transport/transport_filter.h"
#include "protocol/message/fixups.h"
#include "protocol/smtp/ports.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

// --- Who and where -------------------------------------------------------------------------------

// What one transaction is about. Of several recipients only what they have in common has a value.
acl::AddressFacts DeliveryAttempt::batch_facts(const Batch& batch) const {
  const Recipient& first = recipients_[batch.members.front()];
  acl::AddressFacts facts = address_facts(first);
  facts.transport_name = batch.transport->name();
  if (batch.members.size() == 1) return facts;
  for (std::string* own :
       {&facts.local_part, &facts.original_local_part, &facts.original_domain,
        &facts.parent_local_part, &facts.parent_domain, &facts.local_part_prefix,
        &facts.local_part_prefix_v, &facts.local_part_suffix, &facts.local_part_suffix_v})
    own->clear();
  const bool is_mixed = std::ranges::any_of(
      batch.members, [&](size_t member) { return recipients_[member].domain != first.domain; });
  if (is_mixed) facts.domain.clear();
  return facts;
}

std::unique_ptr<LocalScene> DeliveryAttempt::scene_of(const Batch& batch) {
  const Recipient& first = recipients_[batch.members.front()];
  auto scene = std::make_unique<LocalScene>();
  scene->address = batch_facts(batch);
  scene->evaluation = evaluation_of(scene->address);
  scene->evaluation.domain_data = first.route.properties.domain_data;
  scene->evaluation.local_part_data = first.route.properties.local_part_data;
  for (size_t member : batch.members) {
    const Recipient& recipient = recipients_[member];
    const bool is_address = recipient.kind == GeneratedKind::address;
    const Recipient& named = is_address ? recipient : recipients_[recipient.parent];
    scene->addresses.push_back(named.address);
    scene->recipients.push_back(rcpt_address(named, recipient.route, *batch.transport));
  }
  const auto* hosts = batch.hosts.get();
  if (batch.transport->is_remote() && hosts != nullptr && !hosts->hosts.empty()) {
    scene->address.host = hosts->hosts.front().name;
    const auto& addresses = hosts->hosts.front().addresses;
    if (!addresses.empty()) scene->address.host_address = addresses.front().to_string();
  }
  return scene;
}

// With the host that is tried.
std::unique_ptr<LocalScene> DeliveryAttempt::scene_at(const Batch& batch,
                                                      const std::string& host_name,
                                                      const Endpoint& host) {
  std::unique_ptr<LocalScene> scene = scene_of(batch);
  scene->address.host = host_name;
  scene->address.host_address = host.address.to_string();
  scene->address.host_port = host.port;
  return scene;
}

// The address as it is sent: with its affixes only where they are wanted.
std::string DeliveryAttempt::rcpt_address(const Recipient& recipient, const RouteResult& route,
                                          const Transport& transport) {
  const bool unchanged =
      transport.options().rcpt_include_affixes ||
      (route.domain == recipient.domain &&
       equals_ignore_case(route.local_part, message::unquote_local_part(recipient.local_part)));
  return unchanged ? recipient.address
                   : message::quote_local_part(route.local_part) + "@" + route.domain;
}

// Envelope-to: with the addresses of the envelope that a batch is for.
std::string DeliveryAttempt::envelope_to_line(const Batch& batch) const {
  std::vector<std::string_view> seen;
  std::string out;
  const auto add = [&](size_t at) {
    while (recipients_[at].parent != kNone) at = recipients_[at].parent;
    const std::string_view address = recipients_[at].address;
    if (std::find(seen.begin(), seen.end(), address) != seen.end()) return;
    seen.push_back(address);
    std::string line = message::envelope_to_field(address);
    if (!out.empty()) {
      out.resize(out.size() - MessageContent::kEmptyLine.size());
      line.replace(0, line.find(' '), ",\r\n");
    }
    out += line;
  };
  for (size_t member : batch.members) {
    add(member);
    for (size_t same : recipients_[member].duplicates) add(same);
  }
  return out;
}

// Return-path:, Envelope-to: and Delivery-date:.
std::string DeliveryAttempt::lines_on_top(const Batch& batch,
                                          const acl::EvalContext& evaluation) const {
  const TransportOptions& options = batch.transport->options();
  std::string out;
  if (options.return_path_add) out += message::return_path_field(batch.return_path);
  if (options.envelope_to_add) out += envelope_to_line(batch);
  if (options.delivery_date_add)
    out += message::delivery_date_field(evaluation.now, evaluation.utc);
  return out;
}

// --- Text ----------------------------------------------------------------------------------------

// What the transport expands before anything is sent, and the content; nothing, and why, where it
// cannot be.
std::optional<MessageContent> DeliveryAttempt::content_for(Batch& batch,
                                                           acl::EvalContext& evaluation,
                                                           DeliveryOutcome& trouble) const {
  trouble.error_number = kErrorUnknown;
  if (batch.transport->options().return_path.is_set) {
    acl::EvalResult path = batch.transport->return_path().evaluate(evaluation);
    if (!path.ok() && path.status != acl::EvalStatus::forced_fail) {
      trouble.text = "Failed to expand return path \"" +
                     std::string(batch.transport->return_path().source()) + "\": " + path.text;
      return {};
    }
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
    if (!number) {
      trouble.text =
          "invalid port for " + batch.transport->name() + " transport: \"" + text.text + "\"";
      return {};
    }
    batch.port = *number;
  }
  return changed_content(batch, evaluation, trouble);
}

// The message with the header changes of the batch.
std::optional<MessageContent> DeliveryAttempt::changed_content(const Batch& batch,
                                                               acl::EvalContext& evaluation,
                                                               DeliveryOutcome& trouble) const {
  const AddressProperties& properties = recipients_[batch.members.front()].route.properties;
  evaluation.domain_data = properties.domain_data;
  evaluation.local_part_data = properties.local_part_data;
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
      if (!text.ok()) {
        trouble.error_number = kErrorHeaders;
        trouble.text = "failed to expand headers_add or headers_remove: " + text.text;
        return {};
      }
      part.texts.push_back(std::move(text.text));
    }
  }
  const rewrite::RewriteRules* rules = batch.transport->headers_rewrite();
  const std::string first_lines = lines_on_top(batch, evaluation);
  if (changes.empty() && rules == nullptr && first_lines.empty()) return message_.content;
  // Lines that are added are not rewritten; those that go need not be.
  HeaderChanges removal;
  std::swap(removal.remove, changes.remove);
  std::string section = change_headers(message_.content.header_section(), removal);
  if (rules != nullptr) section = rewritten_section(*rules, std::move(section), evaluation);
  return message_.content.with_headers(first_lines + change_headers(section, changes));
}

std::string DeliveryAttempt::rewritten_section(const rewrite::RewriteRules& rules,
                                               std::string section,
                                               acl::EvalContext& evaluation) const {
  rewrite::RewriteNotes notes;
  std::optional<std::string> rewritten = rules.rewrite_headers(section, evaluation, notes);
  for (const std::string& problem : notes.problems)
    queue_.services_.log.panic(LogEvent::configuration, facts_.id, problem);
  if (queue_.config_->options().log_selector.has(config::LogSelector::address_rewrite)) {
    for (const std::string& change : notes.changes)
      queue_.services_.log.main(LogEvent::note, facts_.id, change);
  }
  return rewritten ? std::move(*rewritten) : std::move(section);
}

// False, and the outcome, where the message is over the transport's limit. On a fiber.
bool DeliveryAttempt::check_size(const Batch& batch, const MessageContent& content,
                                 LocalScene& scene, DeliveryOutcome& trouble) const {
  const acl::EvalResult limit =
      batch.transport->generic().message_size_limit.evaluate(scene.evaluation);
  const std::string_view text = trim(limit.text);
  const Result<int64_t> bytes = config::parse_integer(text.empty() ? "0" : text);
  if (!limit.ok() || !bytes || *bytes < 0) {
    const std::string option = "message_size_limit in " + batch.transport->name() + " transport: ";
    trouble.error_number = kErrorUnknown;
    trouble.text = limit.ok()
                       ? "invalid " + option + "integer expected but \"" + limit.text + "\" found"
                       : "failed to expand " + option + limit.text;
    return false;
  }
  if (*bytes == 0 || content.message_bytes() <= static_cast<uint64_t>(*bytes)) return true;
  trouble.kind = OutcomeKind::failed;
  trouble.text = "message is too big (transport limit = " + std::to_string(*bytes) + ")";
  return false;
}

// Nothing, and the outcome of all recipients, where the message cannot be handed over.
Task<std::optional<MessageContent>> DeliveryAttempt::prepare(Batch& batch, LocalScene& scene,
                                                             DeliveryOutcome& trouble) {
  trouble = {};
  trouble.scope = FailureScope::recipient;
  const Transport& transport = *batch.transport;
  std::optional<MessageContent> content;
  ExpandedCommand command;
  const RouteResult& route = recipients_[batch.members.front()].route;
  auto preparing = [&] {
    const bool has_place =
        transport.is_remote() || expand_directories(transport, route, scene.address,
                                                    scene.evaluation, scene.directory, trouble);
    if (!has_place) return false;
    show_debug_print(transport, scene);
    std::optional<MessageContent> changed = content_for(batch, scene.evaluation, trouble);
    if (!changed) return false;
    trouble.error_number = 0;
    if (!check_size(batch, *changed, scene, trouble)) return false;
    if (transport.options().body_only) changed = changed->body_only();
    if (transport.options().headers_only) changed = changed->headers_only();
    command = expand_command(transport.generic().filter, scene.addresses,
                             transport.name() + " transport filter", scene.evaluation);
    trouble.text = command.problem;
    if (command.problem.empty()) content = std::move(*changed);
    return content.has_value();
  };
  co_await on_fiber(preparing);
  const bool is_filtered = !command.arguments.empty() && !command.arguments.front().empty();
  if (!content || !is_filtered) co_return content;
  co_return co_await filter(batch, scene, *content, std::move(command.arguments), trouble);
}

Task<std::optional<MessageContent>> DeliveryAttempt::filter(const Batch& batch, LocalScene& scene,
                                                            const MessageContent& content,
                                                            std::vector<std::string> arguments,
                                                            DeliveryOutcome& trouble) {
  const Transport& transport = *batch.transport;
  const RouteResult& route = recipients_[batch.members.front()].route;
  FilterRun run;
  run.arguments = std::move(arguments);
  run.timeout = transport.options().transport_filter_timeout;
  run.directory = scene.directory;
  if (!run.arguments.front().starts_with('/')) {
    trouble.text = "the command of transport_filter must be an absolute path";
    co_return std::nullopt;
  }
  if (!transport.is_remote()) {
    const LocalRecipient recipient{{},
                                   {},
                                   {},
                                   scene.evaluation,
                                   scene.evaluation.now,
                                   route.user,
                                   route.group,
                                   route.initgroups,
                                   queue_.config_->never_users};
    Result<std::optional<RunAs>> who = co_await run_as(queue_.services_.loop, transport, recipient);
    if (!who) {
      trouble.text = who.error().detail();
      co_return std::nullopt;
    }
    run.who = std::move(*who);
  }
  Filtered filtered = co_await run_filter(queue_.services_.loop, content, std::move(run));
  if (filtered.content) co_return std::move(filtered.content);
  trouble.error_number = filtered.timed_out ? ETIMEDOUT : kErrorFilter;
  trouble.text = std::move(filtered.problem);
  if (filtered.timed_out && transport.fails_on_filter_timeout()) trouble.kind = OutcomeKind::failed;
  co_return std::nullopt;
}

// debug_print, where somebody looks. On a fiber.
void DeliveryAttempt::show_debug_print(const Transport& transport, LocalScene& scene) const {
  if (trace_ == nullptr || !transport.options().debug_print.is_set) return;
  acl::show_debug_print(*trace_, transport.name(), transport.generic().debug_print,
                        scene.evaluation);
}

// --- Turns ---------------------------------------------------------------------------------------

// max_parallel: one of so many places. Null with a text in `trouble`: none is free; null without:
// there is no limit.
Task<std::unique_ptr<HostClaim>> DeliveryAttempt::claim_turn(const Batch& batch, LocalScene& scene,
                                                             DeliveryOutcome& trouble) {
  const acl::Expansion& option = batch.transport->generic().max_parallel;
  auto expanding = [&] { return option.evaluate(scene.evaluation); };
  const acl::EvalResult text = co_await on_fiber(expanding);
  const Result<int64_t> places = config::parse_integer(text.ok() ? trim(text.text) : "");
  if (!text.ok() || !places) {
    trouble.text = "Failed to expand max_parallel option in \"" + batch.transport->name() +
                   "\" transport (" + std::string(option.source()) + "): " + text.text;
    co_return nullptr;
  }
  if (*places <= 0) co_return nullptr;
  const WallTime now = queue_.services_.loop.clock().wall();
  for (int64_t place = 0; place < std::min(*places, kTransportPlacesMax); ++place) {
    std::unique_ptr<HostClaim> claim =
        HostClaim::take(queue_.services_.hints.database(),
                        "transport " + batch.transport->name() + " " + std::to_string(place), now);
    if (claim != nullptr) co_return claim;
  }
  trouble.error_number = kErrorConcurrency;
  trouble.text = "concurrency limit reached for transport";
  trouble.next_try = now + kBusyHostDelay;
  co_return nullptr;
}

}  // namespace godwit::delivery
