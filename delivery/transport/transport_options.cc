// Rows of the generic transport options, of the drivers, and the set of all transports.
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/transport/transport.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::delivery {
namespace {

using config::Effect;
using Options = TransportOptions;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<TransportOptions>>({
    // name                      field                               default  effect         documentation
    {"body_only",                &Options::body_only,                "false", Effect::now,   "deliver the body without the header section"},
    {"current_directory",        &Options::current_directory,        "",      Effect::now,   "working directory of a local delivery"},
    {"debug_print",              &Options::debug_print,              "",      Effect::now,   "debugging output"},
    {"delivery_date_add",        &Options::delivery_date_add,        "false", Effect::now,   "add a Delivery-date: line"},
    {"disable_logging",          &Options::disable_logging,          "false", Effect::now,   "write no delivery lines"},
    {"envelope_to_add",          &Options::envelope_to_add,          "false", Effect::now,   "add an Envelope-to: line"},
    {"event_action",             &Options::event_action,             "",      Effect::now,   "expanded for each event of a delivery"},
    {"group",                    &Options::group,                    "",      Effect::now,   "group of a local delivery"},
    {"headers_add",              &Options::headers_add,              "",      Effect::now,   "header lines to add"},
    {"headers_only",             &Options::headers_only,             "false", Effect::now,   "deliver the header section without the body"},
    {"headers_remove",           &Options::headers_remove,           "",      Effect::now,   "header lines to remove"},
    {"headers_rewrite",          &Options::headers_rewrite,          "",      Effect::now,   "rewriting rules for header lines"},
    {"home_directory",           &Options::home_directory,           "",      Effect::now,   "$home of a local delivery"},
    {"initgroups",               &Options::initgroups,               "false", Effect::now,   "use the user's additional groups"},
    {"max_parallel",             &Options::max_parallel,             "",      Effect::now,   "deliveries of this transport at a time"},
    {"message_size_limit",       &Options::message_size_limit,       "0",     Effect::now,   "fail messages that are larger"},
    {"rcpt_include_affixes",     &Options::rcpt_include_affixes,     "false", Effect::now,   "send prefixes and suffixes of local parts in RCPT"},
    {"retry_use_local_part",     &Options::retry_use_local_part,     "false", Effect::now,   "retry each address of a domain by itself"},
    {"return_path",              &Options::return_path,              "",      Effect::now,   "replaces the envelope sender"},
    {"return_path_add",          &Options::return_path_add,          "false", Effect::now,   "add a Return-path: line"},
    {"shadow_condition",         &Options::shadow_condition,         "",      Effect::now,   "when the shadow transport runs"},
    {"shadow_transport",         &Options::shadow_transport,         "",      Effect::now,   "delivers a second copy"},
    {"tpda_delivery_action",     &Options::tpda_delivery_action,     "",      Effect::now,   "old: expanded after each delivery"},
    {"tpda_event_action",        &Options::tpda_event_action,        "",      Effect::now,   "old spelling of event_action"},
    {"transport_filter",         &Options::transport_filter,         "",      Effect::now,   "a program that filters the message"},
    {"transport_filter_timeout", &Options::transport_filter_timeout, "5m",    Effect::now,   "how long the filter may take"},
    {"user",                     &Options::user,                     "",      Effect::now,   "user of a local delivery"},
});

constexpr auto kDrivers = std::to_array<TransportDriverRow>({
    {"appendfile", &make_appendfile_transport, "a mailbox file or a maildir", &appendfile_options},
    {"autoreply",  &make_autoreply_transport,  "answers by a message", &autoreply_options},
    {"lmtp",       &make_lmtp_transport,       "LMTP to a socket or a command", &lmtp_options},
    {"pipe",       &make_pipe_transport,       "a command gets the message", &pipe_options},
    {"queuefile",  &make_queuefile_transport,  "copies of the spool files", &queuefile_options},
    {"smtp",       &make_smtp_transport,       "SMTP or LMTP to a remote host", &smtp_options},
});
// clang-format on

// True where the option is in the configuration, in whatever spelling.
bool is_written(const config::Instance& instance, std::string_view name) {
  return std::any_of(instance.settings.begin(), instance.settings.end(),
                     [&](const config::Setting& setting) {
                       return setting.name == name || setting.name == "no_" + std::string(name) ||
                              setting.name == "not_" + std::string(name);
                     });
}

// $name or ${name}, or an item that begins with it: what depends on an address cannot be the same
// for several.
bool mentions(std::string_view text, std::string_view name) {
  for (size_t at = 0; (at = text.find(name, at)) != std::string_view::npos; at += name.size()) {
    const bool is_variable = at > 0 && (text[at - 1] == '$' || text[at - 1] == '{');
    const size_t end = at + name.size();
    if (is_variable && (end == text.size() || !is_alnum(text[end]))) return true;
  }
  return false;
}

bool any_mentions(const config::Instance& instance, std::string_view name) {
  return std::any_of(instance.settings.begin(), instance.settings.end(),
                     [&](const config::Setting& setting) {
                       return setting.value && mentions(setting.value->view(), name);
                     });
}

BatchRules batch_rules(const config::Instance& instance, const TransportCompileContext& context) {
  BatchRules out;
  const config::Setting* max = instance.find("batch_max");
  if (max == nullptr || !max->value || any_mentions(instance, "local_part")) return out;
  const Result<int64_t> count = config::parse_integer(max->value->trimmed().view());
  if (count) out.max = static_cast<size_t>(std::max<int64_t>(1, *count));
  out.mixes_domains = !any_mentions(instance, "domain");
  if (const config::Setting* id = instance.find("batch_id"); id != nullptr && id->value) {
    const acl::CompileOptions options{&context.lists, false};
    out.id =
        acl::compile_expansion(*id->value, options, context.diagnostics).value_or(acl::Expansion());
    out.has_id = true;
  }
  return out;
}

}  // namespace

std::span<const config::OptionRow<TransportOptions>> transport_option_rows() noexcept {
  return kRows;
}
std::span<const TransportDriverRow> transport_driver_rows() noexcept {
  return kDrivers;
}

acl::Expansion TransportCompileContext::expansion(const config::ConfigText& text) const {
  if (!text.is_set) return {};
  const acl::CompileOptions options{&lists, false};
  return acl::compile_expansion(text.text, options, diagnostics).value_or(acl::Expansion());
}

std::shared_ptr<const acl::ListPattern> TransportCompileContext::list(
    config::ListKind kind, const config::ConfigText& text) const {
  if (!text.is_set) return nullptr;
  return lists.compile(kind, text.text, acl::ListOptions{}, diagnostics);
}

std::shared_ptr<const TransportSet> TransportSet::compile(const config::ConfigDocument& document,
                                                          const acl::NamedLists& lists,
                                                          config::Diagnostics& diagnostics) {
  auto set = std::make_shared<TransportSet>();
  std::vector<config::DriverRow> drivers;
  for (const TransportDriverRow& row : kDrivers) drivers.push_back({row.name, row.make != nullptr});
  const TransportCompileContext context{lists, diagnostics};
  for (const config::Instance& instance : document.transports) {
    set->names_.push_back(instance.name);
    set->transports_.emplace_back();
    const std::optional<size_t> driver =
        config::find_driver(instance, drivers, "transport", diagnostics);
    if (!driver) continue;
    std::unique_ptr<Transport> transport = kDrivers[*driver].make(instance, context);
    if (transport == nullptr) continue;
    transport->name_ = instance.name;
    const TransportOptions& options = transport->options_;
    for (const config::ExpandText& header : options.headers_add)
      transport->headers_add_.push_back(context.expansion(header));
    for (const config::ExpandText& header : options.headers_remove)
      transport->headers_remove_.push_back(context.expansion(header));
    if (options.headers_rewrite.is_set)
      transport->headers_rewrite_ =
          rewrite::RewriteRules::compile_list(options.headers_rewrite.text, lists, diagnostics);
    acl::EventActions& events = transport->events_;
    events.set_owner(instance.name);
    events.add("event_action", {}, context.expansion(options.event_action));
    events.add("tpda_event_action", {}, context.expansion(options.tpda_event_action));
    events.add("tpda_delivery_action", "msg:delivery",
               context.expansion(options.tpda_delivery_action));
    transport->return_path_ = context.expansion(options.return_path);
    compile_generic(*transport, instance, context);
    set->transports_.back() = std::move(transport);
  }
  for (size_t i = 0; i < set->transports_.size(); ++i) {
    if (set->transports_[i] == nullptr) continue;
    set->find_shadow(*set->transports_[i], document.transports[i], diagnostics);
    set->transports_[i]->find_transports(*set, document.transports[i], diagnostics);
  }
  return set;
}

void TransportSet::compile_generic(Transport& transport, const config::Instance& instance,
                                   const TransportCompileContext& context) {
  TransportOptions& options = transport.options_;
  GenericExpansions& out = transport.generic_;
  out.current_directory = context.expansion(options.current_directory);
  out.debug_print = context.expansion(options.debug_print);
  out.group = context.expansion(options.group);
  out.home_directory = context.expansion(options.home_directory);
  out.max_parallel = context.expansion(options.max_parallel);
  out.message_size_limit = context.expansion(options.message_size_limit);
  out.shadow_condition = context.expansion(options.shadow_condition);
  out.user = context.expansion(options.user);
  if (options.transport_filter.is_set) {
    out.filter = compile_command(options.transport_filter.text, false, context);
    const bool is_relative = !out.filter.empty() && out.filter.front().text.is_constant() &&
                             !out.filter.front().text.constant().starts_with('/');
    if (is_relative)
      context.diagnostics.error(options.transport_filter.text.begin_place(),
                                "the command of transport_filter must be an absolute path");
  }
  if (options.body_only && options.headers_only) {
    context.diagnostics.error(instance.place, "set either body_only or headers_only for the " +
                                                  instance.name + " transport, not both");
  }
  // True of local transports where nothing is said.
  if (!is_written(instance, "retry_use_local_part"))
    options.retry_use_local_part = !transport.is_remote();
  if (!transport.is_remote()) transport.batching_ = batch_rules(instance, context);
  const bool has_limit = is_written(instance, "message_size_limit");
  transport.prepares_ = options.body_only || options.headers_only || !out.filter.empty() ||
                        has_limit || options.max_parallel.is_set || options.debug_print.is_set ||
                        options.return_path_add || options.envelope_to_add ||
                        options.delivery_date_add;
}

void TransportSet::find_shadow(Transport& transport, const config::Instance& instance,
                               config::Diagnostics& diagnostics) const {
  const std::string& name = transport.options_.shadow_transport;
  if (name.empty()) return;
  const config::Place place = instance.find("shadow_transport")->place;
  const int index = find(name);
  if (transport.is_remote()) {
    diagnostics.error(place, "a remote transport cannot have a shadow_transport");
  } else if (index < 0) {
    diagnostics.error(place, "there is no transport \"" + name + "\"",
                      config::did_you_mean(name, all()));
  } else if (at(index) != nullptr && at(index)->is_remote()) {
    diagnostics.error(place, "the shadow_transport \"" + name + "\" is not a local one");
  } else {
    transport.shadow_ = at(index);
  }
}

Task<bool> Transport::is_over_quota(Loop&, LocalRecipient, uint64_t) const {
  co_return false;
}

Task<std::vector<DeliveryOutcome>> Transport::deliver_batch(
    Loop& loop, LocalDelivery delivery, std::vector<smtp::ClientRecipient> recipients) const {
  DeliveryOutcome outcome = co_await deliver(loop, std::move(delivery));
  std::vector<DeliveryOutcome> all(recipients.size(), outcome);
  co_return all;
}

int TransportSet::find(std::string_view name) const {
  for (size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == name) return static_cast<int>(i);
  }
  return -1;
}

std::vector<std::string_view> TransportSet::all() const {
  return {names_.begin(), names_.end()};
}

}  // namespace godwit::delivery
