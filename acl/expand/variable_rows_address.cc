// Variables of the address that is verified, routed or delivered, and of what happens to it.
#include "acl/expand/variable_functions.h"
#include "acl/expand/variables.h"
#include "core/base/ascii.h"
#include "core/base/time.h"
#include "protocol/message/address_syntax.h"

#include <array>
#include <iterator>
#include <string>

namespace godwit::acl {
namespace {

void host_port(const AddressFacts& facts, std::string& out) {
  append_value(facts.host_port, out);
}

void sending_ip_address(const AddressFacts& facts, std::string& out) {
  if (facts.sending) out += facts.sending->address.to_string();
}
void sending_port(const EvalContext& context, std::string& out) {
  const bool is_known = context.address != nullptr && context.address->sending;
  append_value(is_known ? int64_t{context.address->sending->port} : int64_t{-1}, out);
}

void inode(const AddressFacts& facts, std::string& out) {
  append_value(static_cast<int64_t>(facts.inode), out);
}

void local_user_uid(const AddressFacts& facts, std::string& out) {
  if (facts.user_id >= 0) append_value(facts.user_id, out);
}
void local_user_gid(const AddressFacts& facts, std::string& out) {
  if (facts.group_id >= 0) append_value(facts.group_id, out);
}

// Of the address that is routed, or of the recipient that was verified.
void address_data(const EvalContext& context, std::string& out) {
  const bool is_routed = context.address != nullptr && !context.address->address_data.empty();
  out += is_routed ? context.address->address_data : context.findings.address_data;
}

// control = caseful_local_part shows it as it came.
void local_part(const EvalContext& context, std::string& out) {
  if (context.address == nullptr) return;
  if (context.is_local_part_caseful) {
    out += message::unquote_local_part(context.address->original_local_part);
  } else {
    out += context.address->local_part;
  }
}

template <auto Field>
void unquoted(const EvalContext& context, std::string& out) {
  if (context.address != nullptr) out += message::unquote_local_part(context.address->*Field);
}

void event_name(const EvalContext& context, std::string& out) {
  if (context.event != nullptr) out += context.event->name;
}
void event_data(const EvalContext& context, std::string& out) {
  if (context.event != nullptr) out += context.event->data;
}
void event_defer_errno(const EvalContext& context, std::string& out) {
  append_value(context.event != nullptr ? context.event->defer_errno : 0, out);
}

template <std::string ReportTextFacts::*Field>
void of_report(const EvalContext& context, std::string& out) {
  if (context.report != nullptr) out += context.report->*Field;
}

// name, function, documentation
constexpr auto kRows = std::to_array<VariableRow>({
    {"address_data", address_data, "what a router put there"},
    {"address_file", field<&AddressFacts::file>, "file of a redirection"},
    {"address_pipe", field<&AddressFacts::pipe>, "command of a redirection"},
    {"bounce_recipient", of_report<&ReportTextFacts::bounce_recipient>,
     "who is told of the failure", Taint::outside},
    {"domain", field<&AddressFacts::domain>, "domain of the address", Taint::outside},
    {"event_data", event_data, "what is known of the event", Taint::outside},
    {"event_defer_errno", event_defer_errno, "number of the error that defers"},
    {"event_name", event_name, "what happened"},
    {"home", field<&AddressFacts::home>, "home directory"},
    {"host", field<&AddressFacts::host>, "host of the delivery"},
    {"host_address", field<&AddressFacts::host_address>, "its address"},
    {"host_port", made<&host_port>, "its port"},
    {"inode", made<&inode>, "of the file that is being delivered"},
    {"local_part", local_part, "local part of the address", Taint::outside},
    {"local_part_prefix", field<&AddressFacts::local_part_prefix>, "prefix that was taken off",
     Taint::outside},
    {"local_part_prefix_v", field<&AddressFacts::local_part_prefix_v>,
     "what matched the wildcard of the prefix", Taint::outside},
    {"local_part_suffix", field<&AddressFacts::local_part_suffix>, "suffix that was taken off",
     Taint::outside},
    {"local_part_suffix_v", field<&AddressFacts::local_part_suffix_v>,
     "what matched the wildcard of the suffix", Taint::outside},
    {"local_user_gid", made<&local_user_gid>, "group of the login that check_local_user found"},
    {"local_user_uid", made<&local_user_uid>, "uid of the login that check_local_user found"},
    {"mailstore_basename", field<&AddressFacts::mailstore_basename>,
     "name of a pair of mailstore files"},
    {"original_domain", field<&AddressFacts::original_domain>, "domain before redirection",
     Taint::outside},
    {"original_local_part", unquoted<&AddressFacts::original_local_part>,
     "local part before redirection", Taint::outside},
    {"parent_domain", field<&AddressFacts::parent_domain>, "domain of the address before this one",
     Taint::outside},
    {"parent_local_part", unquoted<&AddressFacts::parent_local_part>,
     "local part of the address before this one", Taint::outside},
    {"router_name", field<&AddressFacts::router_name>,
     "router that runs, or that chose the transport"},
    {"self_hostname", field<&AddressFacts::self_hostname>, "the local host that self = pass met"},
    {"sending_ip_address", made<&sending_ip_address>,
     "local address of the connection to the host"},
    {"sending_port", sending_port, "local port of the connection to the host"},
    {"transport_name", field<&AddressFacts::transport_name>, "transport that runs"},
    {"warn_message_delay", of_report<&ReportTextFacts::warn_delay>, "how long the message waits"},
    {"warn_message_recipients", of_report<&ReportTextFacts::warn_recipients>,
     "who is told that the message waits", Taint::outside},
    {"warnmsg_delay", of_report<&ReportTextFacts::warn_delay>, "old name of warn_message_delay"},
    {"warnmsg_recipients", of_report<&ReportTextFacts::warn_recipients>,
     "old name of warn_message_recipients", Taint::outside},
});

}  // namespace

std::span<const VariableRow> address_variable_rows() noexcept {
  return kRows;
}

}  // namespace godwit::acl
