#include "acl/expand/variables.h"

#include "core/base/ascii.h"

#include <array>
#include <unordered_map>

namespace godwit::acl {
namespace {

struct VariableAlias {
  std::string_view old_name;
  std::string_view name;
};
constexpr auto kAliases = std::to_array<VariableAlias>({
    {"proxy_host_address", "proxy_local_address"},
    {"proxy_host_port", "proxy_local_port"},
    {"proxy_target_address", "proxy_external_address"},
    {"proxy_target_port", "proxy_external_port"},
    {"tls_bits", "tls_in_bits"},
    {"tls_certificate_verified", "tls_in_certificate_verified"},
    {"tls_cipher", "tls_in_cipher"},
    {"tls_peerdn", "tls_in_peerdn"},
    {"tls_sni", "tls_in_sni"},
    {"tpda_data", "event_data"},
    {"tpda_defer_errno", "event_defer_errno"},
    {"tpda_defer_errstr", "event_data"},
    {"tpda_delivery_confirmation", "event_data"},
    {"tpda_delivery_domain", "domain"},
    {"tpda_delivery_fqdn", "host"},
    {"tpda_delivery_ip", "host_address"},
    {"tpda_delivery_local_part", "local_part"},
    {"tpda_delivery_port", "host_port"},
    {"tpda_event", "event_name"},
});

std::array<std::span<const VariableRow>, 5> groups() noexcept {
  return {server_variable_rows(), connection_variable_rows(), message_variable_rows(),
          address_variable_rows(), later_variable_rows()};
}

// $acl_c0, $acl_c_name; $acl_m0, $acl_m_name.
bool is_acl_variable(std::string_view name) {
  if (!name.starts_with("acl_c") && !name.starts_with("acl_m")) return false;
  return name.size() > 5 && (is_digit(name[5]) || name[5] == '_');
}

}  // namespace

// Strings that come up at run time are compiled, too, so that the walk is made once.
const VariableRow* find_variable(std::string_view name) noexcept {
  using Known = std::unordered_map<std::string_view, const VariableRow*>;
  static const Known kKnown = [] {
    Known known;
    for (std::span<const VariableRow> rows : groups()) {
      for (const VariableRow& row : rows) known.emplace(row.name, &row);
    }
    for (const VariableAlias& alias : kAliases) known[alias.old_name] = known.at(alias.name);
    return known;
  }();
  const auto found = kKnown.find(name);
  return found == kKnown.end() ? nullptr : found->second;
}

bool is_pattern_variable(std::string_view name) noexcept {
  if (is_acl_variable(name)) return true;
  if (name.starts_with("r_") && name.size() > 2) return true;
  return name.starts_with("acl_arg") && name.size() == 8 && name[7] >= '1' && name[7] <= '9';
}

std::vector<std::string_view> variable_names() {
  std::vector<std::string_view> names;
  for (std::span<const VariableRow> rows : groups()) {
    for (const VariableRow& row : rows) names.push_back(row.name);
  }
  return names;
}

}  // namespace godwit::acl
