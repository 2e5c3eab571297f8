#include "daemon/print_docs.h"

#include "acl/expand/conditions.h"
#include "acl/expand/items.h"
#include "acl/expand/operators.h"
#include "acl/expand/variables.h"
#include "acl/lookup/catalogue.h"
#include "acl/policy/events.h"
#include "acl/policy/rows.h"
#include "core/base/ascii.h"
#include "core/config/main_options.h"
#include "core/log/log.h"
#include "delivery/route/router.h"
#include "delivery/route/router_options.h"
#include "delivery/transport/transport.h"
#include "protocol/smtp/extensions.h"
#include "protocol/smtp/verbs.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace godwit::daemon {
namespace {

std::string text(std::string_view view) {
  return std::string(view);
}

// Rows that have no function are known to the language and refused by name.
std::string described(std::string_view doc, bool is_available) {
  return text(doc) + (is_available ? "" : " (not available)");
}

DocsTable sorted(DocsTable table) {
  std::ranges::stable_sort(table.rows);
  return table;
}

DocsTable smtp_verbs() {
  DocsTable table{"SMTP commands", {"command", "meaning"}, {}};
  for (const smtp::VerbRow& row : smtp::verb_rows())
    table.rows.push_back({text(row.name), text(row.doc)});
  return table;
}

DocsTable smtp_extensions() {
  DocsTable table{"SMTP extensions", {"keyword", "offered to clients", "meaning"}, {}};
  for (const smtp::ExtensionRow& row : smtp::extension_rows())
    table.rows.push_back({text(row.keyword), row.offered_by_server ? "yes" : "no", text(row.doc)});
  return sorted(std::move(table));
}

DocsTable options_of(std::string title, const config::OptionBinding& options) {
  DocsTable table{std::move(title), {"option", "type", "default", "meaning"}, {}};
  for (size_t i = 0; i < options.size(); ++i) {
    const config::OptionInfo info = options.info(i);
    std::string meaning(info.doc);
    if (info.effect == config::Effect::later) meaning += " (does not act yet)";
    if (info.effect == config::Effect::never) meaning += " (has no effect)";
    std::string type(config::option_type_name(options.value(i)));
    if (!info.choices.empty()) type = text(info.choices);
    table.rows.push_back({text(info.name), std::move(type), text(info.default_text), meaning});
  }
  return sorted(std::move(table));
}

DocsTable main_options() {
  const std::vector<config::OptionRow<config::MainOptions>> rows = config::main_option_rows();
  return options_of("Main options", config::OwnOptions<config::MainOptions>(rows));
}

template <class Rows>
DocsTable drivers(std::string title, const Rows& rows) {
  DocsTable table{std::move(title), {"driver", "meaning"}, {}};
  for (const auto& row : rows)
    table.rows.push_back({text(row.name), described(row.doc, row.make != nullptr)});
  return sorted(std::move(table));
}

template <class Rows>
void add_driver_options(std::string_view kind, const Rows& rows, std::vector<DocsTable>& out) {
  for (const auto& row : rows) {
    if (row.options != nullptr)
      out.push_back(
          options_of("Options of the " + text(row.name) + " " + text(kind), *row.options()));
  }
}

DocsTable acl_verbs() {
  DocsTable table{"ACL verbs", {"verb", "meaning"}, {}};
  for (const acl::VerbRow& row : acl::verb_rows())
    table.rows.push_back({text(row.name), text(row.doc)});
  return sorted(std::move(table));
}

// Conditions or modifiers.
DocsTable acl_rows(std::string title, bool modifiers) {
  DocsTable table{std::move(title), {"name", "meaning"}, {}};
  for (const acl::AclRow& row : acl::acl_rows()) {
    const bool needs_function =
        row.shape == acl::ValueShape::expanded || row.shape == acl::ValueShape::list;
    if (row.modifier == modifiers)
      table.rows.push_back(
          {text(row.name), described(row.doc, row.run != nullptr || !needs_function)});
  }
  return sorted(std::move(table));
}

DocsTable acl_controls() {
  DocsTable table{"ACL controls", {"control", "meaning"}, {}};
  for (const acl::ControlRow& row : acl::control_rows())
    table.rows.push_back({text(row.name), described(row.doc, row.apply != nullptr)});
  return sorted(std::move(table));
}

template <class Rows>
DocsTable expansion_rows(std::string title, std::string_view column, const Rows& rows) {
  DocsTable table{std::move(title), {column, "meaning"}, {}};
  for (const auto& row : rows)
    table.rows.push_back({text(row.name), described(row.doc, row.run != nullptr)});
  return sorted(std::move(table));
}

DocsTable variables() {
  DocsTable table{"Expansion variables", {"variable", "meaning"}, {}};
  for (const auto& rows :
       {acl::server_variable_rows(), acl::connection_variable_rows(), acl::message_variable_rows(),
        acl::address_variable_rows(), acl::later_variable_rows()}) {
    for (const acl::VariableRow& row : rows)
      table.rows.push_back({"$" + text(row.name), text(row.doc)});
  }
  return sorted(std::move(table));
}

DocsTable lookups() {
  DocsTable table{"Lookups", {"type", "asked with", "meaning"}, {}};
  for (const acl::LookupType& row : acl::lookup_types()) {
    const bool is_query = row.type_class == acl::LookupClass::query;
    table.rows.push_back({text(row.name), is_query ? "a query" : "a key and a file",
                          described(row.documentation, row.find != nullptr)});
  }
  return table;
}

DocsTable log_selectors() {
  DocsTable table{"Log selectors", {"selector", "by default", "meaning"}, {}};
  for (const config::LogSelectorRow& row : config::log_selector_rows())
    table.rows.push_back({text(row.name), row.by_default ? "on" : "off", text(row.doc)});
  return table;
}

DocsTable log_events() {
  DocsTable table{"Events of the JSON log", {"event", "meaning"}, {}};
  for (const LogEventRow& row : log_event_rows())
    table.rows.push_back({text(row.name), text(row.help)});
  return table;
}

DocsTable events() {
  DocsTable table{"Events of event_action", {"event", "event_action of", "meaning"}, {}};
  for (const acl::EventRow& row : acl::event_rows())
    table.rows.push_back({text(row.name), text(row.option), text(row.doc)});
  return table;
}

// A cell must not end its row.
std::string cell(std::string_view raw) {
  std::string out;
  for (const char c : raw) {
    if (c == '|') out += '\\';
    out += c;
  }
  return escape_control(out);
}

}  // namespace

std::vector<DocsTable> docs_tables() {
  std::vector<DocsTable> out;
  out.push_back(main_options());
  out.push_back(acl_verbs());
  out.push_back(acl_rows("ACL conditions", false));
  out.push_back(acl_rows("ACL modifiers", true));
  out.push_back(acl_controls());
  out.push_back(expansion_rows("Expansion items", "item", acl::item_rows()));
  out.push_back(expansion_rows("Expansion operators", "operator", acl::operator_rows()));
  out.push_back(expansion_rows("Expansion conditions", "condition", acl::condition_rows()));
  out.push_back(variables());
  out.push_back(lookups());
  out.push_back(drivers("Routers", delivery::router_driver_rows()));
  out.push_back(options_of("Options of all routers", config::OwnOptions<delivery::RouterOptions>(
                                                         delivery::router_option_rows())));
  add_driver_options("router", delivery::router_driver_rows(), out);
  out.push_back(drivers("Transports", delivery::transport_driver_rows()));
  out.push_back(options_of(
      "Options of all transports",
      config::OwnOptions<delivery::TransportOptions>(delivery::transport_option_rows())));
  add_driver_options("transport", delivery::transport_driver_rows(), out);
  out.push_back(smtp_verbs());
  out.push_back(smtp_extensions());
  out.push_back(events());
  out.push_back(log_selectors());
  out.push_back(log_events());
  return out;
}

void append_markdown(std::string& out, const DocsTable& table) {
  out += "## " + table.title + "\n\n|";
  for (const std::string_view column : table.columns) out += " " + text(column) + " |";
  out += "\n|";
  for (size_t i = 0; i < table.columns.size(); ++i) out += "---|";
  out += "\n";
  for (const std::vector<std::string>& row : table.rows) {
    out += "|";
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string shown = cell(row[i]);
      out += i == 0 ? " `" + shown + "` |" : " " + shown + " |";
    }
    out += "\n";
  }
  out += "\n";
}

int print_docs(std::string_view word) {
  std::string out;
  for (const DocsTable& table : docs_tables()) {
    if (to_lower(table.title).find(to_lower(word)) != std::string::npos)
      append_markdown(out, table);
  }
  if (out.empty()) {
    std::fprintf(stderr, "godwit: no table has \"%s\" in its title\n", text(word).c_str());
    return 1;
  }
  std::fputs(out.c_str(), stdout);
  return 0;
}

}  // namespace godwit::daemon
