#include "daemon/features.h"

#include "acl/lookup/catalogue.h"
#include "acl/policy/rows.h"
#include "core/base/ascii.h"
#include "core/config/main_options.h"
#include "delivery/route/router.h"
#include "delivery/transport/transport.h"

#include <algorithm>
#include <array>
#include <deque>

namespace godwit::daemon {
namespace {

// clang-format off
constexpr std::array kFeatures{
    FeatureRow{"crypteq",      "CRYPTEQ"},
    FeatureRow{"iconv()",      "ICONV"},
    FeatureRow{"IPv6",         "IPV6"},
    FeatureRow{"DSN",          "DSN"},
    FeatureRow{"I18N",         "I18N"},
    FeatureRow{"PIPELINING",   ""},
    FeatureRow{"CHUNKING",     ""},
    FeatureRow{"PIPECONNECT",  "PIPE_CONNECT"},
    FeatureRow{"PRDR",         "PRDR"},
    FeatureRow{"Event",        "EVENT"},
    FeatureRow{"Experimental_DSN_info",  "DSN_INFO"},
    FeatureRow{"Experimental_QUEUEFILE", "QUEUEFILE"},
    FeatureRow{"Event-driven", ""},
    FeatureRow{"OpenSSL",      "TLS"},
    FeatureRow{"",             "OPENSSL"},
    FeatureRow{"TLS_resume",   "TLS_RESUME"},
    FeatureRow{"DANE",         "DANE"},
    FeatureRow{"DNSSEC",       "DNSSEC"},
    FeatureRow{"SOCKS",        "SOCKS"},
    FeatureRow{"TCP_Fast_Open", "TCP_FASTOPEN"},
    FeatureRow{"OCSP",         "OCSP"},
    FeatureRow{"",             "TLS_OCSP"},
    FeatureRow{"SRS",          "NATIVE_SRS"},
    FeatureRow{"",             "SRS"},
    FeatureRow{"",             "TRANSPORT_APPEND_MAILDIR"},
};
// clang-format on

// Owns the names that the views of builtin_macros() show.
class MacroNames {
 public:
  MacroNames() {
    for (const FeatureRow& row : kFeatures) add("_HAVE_", row.macro);
    add_lookups(acl::lookup_types_line());
    for (const auto& row : config::main_option_rows()) add("_OPT_MAIN_", row.name);
    for (const auto& row : delivery::router_option_rows()) add("_OPT_ROUTERS_", row.name);
    for (const auto& row : delivery::transport_option_rows()) add("_OPT_TRANSPORTS_", row.name);
    add_drivers("ROUTER_", delivery::router_driver_rows());
    add_drivers("TRANSPORT_", delivery::transport_driver_rows());
    for (const config::LogSelectorRow& row : config::log_selector_rows()) add("_LOG_", row.name);
    for (const acl::AclRow& row : acl::acl_rows()) {
      if (row.run != nullptr) add(row.modifier ? "_ACL_MOD_" : "_ACL_COND_", row.name);
    }
  }
  const std::vector<std::string_view>& views() const noexcept { return views_; }

 private:
  void add(std::string prefix, std::string_view name) {
    if (name.empty()) return;
    for (char c : name) prefix += to_upper(c);
    views_.push_back(names_.emplace_back(std::move(prefix)));
  }
  // The words behind the colon.
  void add_lookups(std::string_view line) {
    line.remove_prefix(std::min(line.find(':') + 1, line.size()));
    for (line = trim(line); !line.empty(); line = trim(line)) {
      const size_t end = std::min(line.find(' '), line.size());
      add("_HAVE_LOOKUP_", line.substr(0, end));
      line.remove_prefix(end);
    }
  }
  template <class Rows>
  void add_drivers(const std::string& kind, const Rows& rows) {
    for (const auto& row : rows) {
      if (row.make == nullptr) continue;
      add("_DRIVER_" + kind, row.name);
      if (row.options == nullptr) continue;
      std::string prefix = "_OPT_" + kind;
      for (char c : row.name) prefix += to_upper(c);
      prefix += '_';
      const std::unique_ptr<config::OptionBinding> options = row.options();
      for (size_t i = 0; i < options->size(); ++i) add(prefix, options->info(i).name);
    }
  }

  std::deque<std::string> names_;  // stays where it is as it grows
  std::vector<std::string_view> views_;
};

}  // namespace

std::span<const FeatureRow> feature_rows() noexcept {
  return kFeatures;
}

const std::vector<std::string_view>& builtin_macros() {
  static const MacroNames names;
  return names.views();
}

}  // namespace godwit::daemon
