#include "delivery/transport/message_options.h"

#include "acl/expand/list_pattern.h"
#include "core/base/ascii.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace godwit::delivery {
namespace {

// Variables that are the same for every message: beginnings of names. An item of the language that
// stands behind "${" is none of them, and its parts are looked at by themselves.
constexpr std::array<std::string_view, 15> kOfHost{
    "host_address",         "host_port", "host",     "sending_",    "primary_hostname",
    "smtp_active_hostname", "qualify_",  "tls_out_", "spool_",      "tod_",
    "version_number",       "value",     "item",     "config_file", "lookup_dnssec"};

// $h_from: and its kin, in braces or not.
bool is_header(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 8> kBeginnings{
      "h_", "rh_", "bh_", "lh_", "header_", "rheader_", "bheader_", "lheader_"};
  return std::ranges::any_of(kBeginnings,
                             [name](std::string_view begin) { return name.starts_with(begin); });
}

size_t name_end(std::string_view text, size_t at) noexcept {
  while (at < text.size() && (is_alnum(text[at]) || text[at] == '_')) ++at;
  return at;
}

}  // namespace

bool speaks_of_message(std::string_view text) noexcept {
  for (size_t at = 0; (at = text.find('$', at)) != std::string_view::npos;) {
    ++at;
    const bool is_braced = at < text.size() && text[at] == '{';
    if (is_braced) ++at;
    const size_t end = name_end(text, at);
    const std::string_view name = text.substr(at, end - at);
    // ${name} and ${name:...} are a variable or an operator; ${name{...}} is an item.
    const bool is_variable = !is_braced || (end < text.size() && text[end] == '}');
    at = end;
    if (is_header(name) || name == "acl") return true;
    if (!is_variable || name.empty() || is_digit(name.front())) continue;
    const bool is_of_host = std::ranges::any_of(
        kOfHost, [name](std::string_view begin) { return name.starts_with(begin); });
    if (!is_of_host) return true;
  }
  // A condition such as def:sender_address has no dollar.
  return text.find("def:") != std::string_view::npos;
}

std::vector<std::string> lists_of_message(std::string_view text, const acl::ListCompiler& lists) {
  using config::ListKind;
  std::vector<std::string> out;
  std::set<std::string, std::less<>> seen;
  const auto look_into = [&](const auto& self, std::string_view part) -> void {
    for (size_t at = 0; (at = part.find('+', at)) != std::string_view::npos;) {
      const size_t end = name_end(part, ++at);
      const auto [name, is_new] = seen.emplace(part.substr(at, end - at));
      if (!is_new) continue;
      for (ListKind kind :
           {ListKind::host, ListKind::domain, ListKind::address, ListKind::local_part}) {
        const std::optional<std::string> list = lists.text_of(kind, *name);
        if (!list) continue;
        if (speaks_of_message(*list)) out.push_back(*list);
        self(self, *list);
      }
    }
  };
  look_into(look_into, text);
  return out;
}

void MessageOptions::add(const config::ConfigText& option, const TransportCompileContext& context) {
  const std::string_view text = option.text.view();
  const std::vector<std::string> lists = lists_of_message(text, context.lists);
  if (lists.empty() && !speaks_of_message(text)) return;
  const acl::CompileOptions how{&context.lists, false};
  const auto take = [&](std::string_view source) {
    // Whoever compiles the option itself tells what is wrong with it.
    const Result<acl::Expansion> compiled = acl::compile_expansion(source, how);
    if (compiled) options_.push_back(*compiled);
  };
  take(text);
  for (const std::string& list : lists) take(list);
}

std::string MessageOptions::values(acl::EvalContext& evaluation) const {
  std::string out;
  for (const acl::Expansion& option : options_) {
    const acl::EvalResult value = option.evaluate(evaluation);
    out += value.ok() ? "=" + value.text : std::string("!");
    out += '\n';
  }
  return out;
}

}  // namespace godwit::delivery
