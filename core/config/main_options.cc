#include "core/config/main_options.h"

#include "core/config/main_option_rows.h"

#include <array>

namespace godwit::config {
namespace {

constexpr auto kAliases = std::to_array<OptionAlias>({
    {"acl_data_smtp_prdr", "acl_smtp_data_prdr"},
    {"daemon_smtp_port", "daemon_smtp_ports"},
    {"proxy_required_hosts", "hosts_proxy"},
    {"tpda_event_action", "event_action"},
});

}  // namespace

std::vector<OptionRow<MainOptions>> main_option_rows() {
  std::vector<OptionRow<MainOptions>> rows;
  for (auto group :
       {acl_option_rows(), delivery_option_rows(), lookup_option_rows(), message_option_rows(),
        network_option_rows(), process_option_rows(), smtp_option_rows(), tls_option_rows()}) {
    rows.insert(rows.end(), group.begin(), group.end());
  }
  return rows;
}

std::span<const OptionAlias> main_option_aliases() noexcept {
  return kAliases;
}

MainOptions apply_main_options(const ConfigDocument& document, Diagnostics& diagnostics) {
  MainOptions options;
  const std::vector<OptionRow<MainOptions>> rows = main_option_rows();
  OptionTarget<MainOptions> target(rows, options);
  apply_settings(document.main, {&target}, diagnostics, "main", kAliases);
  return options;
}

}  // namespace godwit::config
