// Rows of the generic transport options, of the drivers, and the set of all transports.
#include "core/base/assert.h"
#include "delivery/transport/transport.h"

#include <array>

namespace godwit::delivery {
namespace {

using config::Effect;
using Options = TransportOptions;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<TransportOptions>>({
    // name                      field                               default  effect         documentation
    {"body_only",                &Options::body_only,                "false", Effect::later, "deliver the body without the header section"},
    {"current_directory",        &Options::current_directory,        "",      Effect::later, "working directory of a local delivery"},
    {"debug_print",              &Options::debug_print,              "",      Effect::later, "debugging output"},
    {"delivery_date_add",        &Options::delivery_date_add,        "false", Effect::now,   "add a Delivery-date: line"},
    {"disable_logging",          &Options::disable_logging,          "false", Effect::now,   "write no delivery lines"},
    {"envelope_to_add",          &Options::envelope_to_add,          "false", Effect::now,   "add an Envelope-to: line"},
    {"event_action",             &Options::event_action,             "",      Effect::now,   "expanded for each event of a delivery"},
    {"group",                    &Options::group,                    "",      Effect::now,   "group of a local delivery"},
    {"headers_add",              &Options::headers_add,              "",      Effect::now,   "header lines to add"},
    {"headers_only",             &Options::headers_only,             "false", Effect::later, "deliver the header section without the body"},
    {"headers_remove",           &Options::headers_remove,           "",      Effect::now,   "header lines to remove"},
    {"headers_rewrite",          &Options::headers_rewrite,          "",      Effect::now,   "rewriting rules for header lines"},
    {"home_directory",           &Options::home_directory,           "",      Effect::later, "$home of a local delivery"},
    {"initgroups",               &Options::initgroups,               "false", Effect::later, "use the user's additional groups"},
    {"max_parallel",             &Options::max_parallel,             "",      Effect::later, "deliveries of this transport at a time"},
    {"message_size_limit",       &Options::message_size_limit,       "0",     Effect::now,   "fail messages that are larger"},
    {"rcpt_include_affixes",     &Options::rcpt_include_affixes,     "false", Effect::now,   "send prefixes and suffixes of local parts in RCPT"},
    {"retry_use_local_part",     &Options::retry_use_local_part,     "false", Effect::later, "retry each address of a domain by itself"},
    {"return_path",              &Options::return_path,              "",      Effect::now,   "replaces the envelope sender"},
    {"return_path_add",          &Options::return_path_add,          "false", Effect::now,   "add a Return-path: line"},
    {"shadow_condition",         &Options::shadow_condition,         "",      Effect::later, "when the shadow transport runs"},
    {"shadow_transport",         &Options::shadow_transport,         "",      Effect::later, "delivers a second copy"},
    {"tpda_delivery_action",     &Options::tpda_delivery_action,     "",      Effect::now,   "old: expanded after each delivery"},
    {"tpda_event_action",        &Options::tpda_event_action,        "",      Effect::now,   "old spelling of event_action"},
    {"transport_filter",         &Options::transport_filter,         "",      Effect::later, "a program that filters the message"},
    {"transport_filter_timeout", &Options::transport_filter_timeout, "5m",    Effect::later, "how long the filter may take"},
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

// Options whose silent neglect would deliver something else than the operator asked for.
constexpr std::array<std::string_view, 5> kRefusedUntilTheyAct{
    "body_only", "headers_only", "max_parallel", "shadow_transport", "transport_filter"};

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
    for (std::string_view name : kRefusedUntilTheyAct) {
      const config::Setting* setting = instance.find(name);
      if (setting == nullptr) continue;
      diagnostics.error(setting->place,
                        "transport option \"" + std::string(name) + "\" is not available yet");
    }
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
    set->transports_.back() = std::move(transport);
  }
  return set;
}

Task<std::vector<DeliveryOutcome>> Transport::deliver_batch(
    Loop&, LocalDelivery, std::vector<smtp::ClientRecipient>) const {
  GODWIT_UNREACHABLE("this transport takes one recipient at a time");
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
