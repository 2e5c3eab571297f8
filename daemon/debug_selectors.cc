#include "daemon/debug_selectors.h"

#include "core/base/ascii.h"

#include <array>
#include <string>
#include <vector>

namespace godwit::daemon {
namespace {

using acl::TraceKind;

struct SelectorRow {
  DebugSelector selector;
  std::string_view name;
  bool is_usual;  // of -d alone
};
// clang-format off
constexpr std::array kRows{
    SelectorRow{DebugSelector::acl,          "acl",          true},
    SelectorRow{DebugSelector::auth,         "auth",         true},
    SelectorRow{DebugSelector::deliver,      "deliver",      true},
    SelectorRow{DebugSelector::dns,          "dns",          true},
    SelectorRow{DebugSelector::dnsbl,        "dnsbl",        true},
    SelectorRow{DebugSelector::exec,         "exec",         true},
    SelectorRow{DebugSelector::expand,       "expand",       false},
    SelectorRow{DebugSelector::filter,       "filter",       false},
    SelectorRow{DebugSelector::hints_lookup, "hints_lookup", true},
    SelectorRow{DebugSelector::host_lookup,  "host_lookup",  true},
    SelectorRow{DebugSelector::ident,        "ident",        true},
    SelectorRow{DebugSelector::interface,    "interface",    false},
    SelectorRow{DebugSelector::lists,        "lists",        true},
    SelectorRow{DebugSelector::load,         "load",         false},
    SelectorRow{DebugSelector::local_scan,   "local_scan",   true},
    SelectorRow{DebugSelector::lookup,       "lookup",       true},
    SelectorRow{DebugSelector::memory,       "memory",       false},
    SelectorRow{DebugSelector::noutf8,       "noutf8",       false},
    SelectorRow{DebugSelector::pid,          "pid",          false},
    SelectorRow{DebugSelector::process_info, "process_info", true},
    SelectorRow{DebugSelector::queue_run,    "queue_run",    true},
    SelectorRow{DebugSelector::receive,      "receive",      true},
    SelectorRow{DebugSelector::resolver,     "resolver",     false},
    SelectorRow{DebugSelector::retry,        "retry",        true},
    SelectorRow{DebugSelector::rewrite,      "rewrite",      true},
    SelectorRow{DebugSelector::route,        "route",        true},
    SelectorRow{DebugSelector::timestamp,    "timestamp",    false},
    SelectorRow{DebugSelector::tls,          "tls",          true},
    SelectorRow{DebugSelector::transport,    "transport",    true},
    SelectorRow{DebugSelector::uid,          "uid",          true},
    SelectorRow{DebugSelector::verify,       "verify",       true},
};

struct KindRow {
  TraceKind kind;
  DebugSelector selector;
};
constexpr std::array kKinds{
    KindRow{TraceKind::command_begin,   DebugSelector::receive},
    KindRow{TraceKind::command_end,     DebugSelector::receive},
    KindRow{TraceKind::acl_begin,       DebugSelector::acl},
    KindRow{TraceKind::acl_end,         DebugSelector::acl},
    KindRow{TraceKind::statement,       DebugSelector::acl},
    KindRow{TraceKind::statement_end,   DebugSelector::acl},
    KindRow{TraceKind::condition,       DebugSelector::acl},
    KindRow{TraceKind::value,           DebugSelector::acl},
    KindRow{TraceKind::condition_end,   DebugSelector::acl},
    KindRow{TraceKind::message,         DebugSelector::acl},
    KindRow{TraceKind::list_begin,      DebugSelector::lists},
    KindRow{TraceKind::list,            DebugSelector::lists},
    KindRow{TraceKind::lookup_begin,    DebugSelector::lookup},
    KindRow{TraceKind::lookup,          DebugSelector::lookup},
    KindRow{TraceKind::expansion_begin, DebugSelector::expand},
    KindRow{TraceKind::expansion,       DebugSelector::expand},
    KindRow{TraceKind::address_begin,   DebugSelector::route},
    KindRow{TraceKind::address_end,     DebugSelector::route},
    KindRow{TraceKind::router_begin,    DebugSelector::route},
    KindRow{TraceKind::router,          DebugSelector::route},
    KindRow{TraceKind::variable,        DebugSelector::route},
    KindRow{TraceKind::dns,             DebugSelector::dns},
    KindRow{TraceKind::rewrite,         DebugSelector::rewrite},
    KindRow{TraceKind::retry,           DebugSelector::retry},
    KindRow{TraceKind::host,            DebugSelector::host_lookup},
    KindRow{TraceKind::transport,       DebugSelector::transport},
    KindRow{TraceKind::dnsbl,           DebugSelector::dnsbl},
    KindRow{TraceKind::tls,             DebugSelector::tls},
    KindRow{TraceKind::exec,            DebugSelector::exec},
    KindRow{TraceKind::load,            DebugSelector::load},
    KindRow{TraceKind::hints,           DebugSelector::hints_lookup},
    KindRow{TraceKind::verify,          DebugSelector::verify},
    KindRow{TraceKind::interface,       DebugSelector::interface},
    KindRow{TraceKind::resolver,        DebugSelector::resolver},
    KindRow{TraceKind::queue_run,       DebugSelector::queue_run},
    KindRow{TraceKind::uid,             DebugSelector::uid},
    KindRow{TraceKind::debug_print,     DebugSelector::route},
    KindRow{TraceKind::note,            DebugSelector::deliver},
};
// clang-format on

constexpr uint64_t bit(DebugSelector selector) noexcept {
  return uint64_t{1} << static_cast<unsigned>(selector);
}

uint64_t usual_bits() noexcept {
  uint64_t bits = 0;
  for (const SelectorRow& row : kRows) bits |= row.is_usual ? bit(row.selector) : 0;
  return bits;
}

// +all leaves out what only changes the form, and memory; -all means everything.
uint64_t all_bits(bool adds) noexcept {
  uint64_t bits = 0;
  for (const SelectorRow& row : kRows) bits |= bit(row.selector);
  return adds ? bits & ~(bit(DebugSelector::memory) | bit(DebugSelector::noutf8)) : bits;
}

Error unknown_selector(std::string_view name) {
  std::vector<std::string_view> names{"all"};
  for (const SelectorRow& row : kRows) names.push_back(row.name);
  std::string text = "unknown debugging selector \"" + escape_control(name) + "\"";
  const std::string_view nearest = nearest_name(name, names);
  if (!nearest.empty()) text += "; did you mean \"" + std::string(nearest) + "\"?";
  return Error(Errc::invalid_argument, text);
}

}  // namespace

Result<DebugSelectors> parse_debug_selectors(std::string_view text) {
  uint64_t bits = usual_bits();
  while (!text.empty()) {
    const char sign = text.front();
    if (sign != '+' && sign != '-')
      return Error(Errc::invalid_argument,
                   "a debugging selector begins with + or -: " + escape_control(text));
    text.remove_prefix(1);
    const size_t end = std::min(text.find_first_of("+-"), text.size());
    const std::string_view name = text.substr(0, end);
    text.remove_prefix(end);
    uint64_t named = name == "all" ? all_bits(sign == '+') : 0;
    for (const SelectorRow& row : kRows) named |= row.name == name ? bit(row.selector) : 0;
    if (named == 0) return unknown_selector(name);
    bits = sign == '+' ? bits | named : bits & ~named;
  }
  return DebugSelectors{bits};
}

static_assert(kKinds.size() == static_cast<size_t>(TraceKind::note) + 1);

DebugSelector selector_of(acl::TraceKind kind) noexcept {
  return kKinds[static_cast<size_t>(kind)].selector;
}

}  // namespace godwit::daemon
