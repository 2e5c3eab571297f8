#include "daemon/later_options.h"

#include "core/config/main_options.h"
#include "delivery/route/router.h"
#include "delivery/route/router_options.h"
#include "delivery/transport/transport.h"

#include <algorithm>
#include <string>

namespace godwit::daemon {
namespace {

bool names(const config::Setting& setting, std::string_view option) {
  if (setting.name == option) return true;
  return setting.name == "no_" + std::string(option) ||
         setting.name == "not_" + std::string(option);
}

// Set to what it is without being set.
bool is_default(const config::Setting& setting, std::string_view default_text) {
  if (setting.name.starts_with("no") && default_text == "false") return true;
  if (!setting.value) return default_text == "true" && !setting.name.starts_with("no");
  return setting.value->trimmed().text() == default_text;
}

void warn(const config::Setting& setting, const config::OptionInfo& row, std::string_view owner,
          config::Diagnostics& diagnostics) {
  if (row.effect == config::Effect::now || !names(setting, row.name)) return;
  if (is_default(setting, row.default_text)) return;
  const bool is_later = row.effect == config::Effect::later;
  diagnostics.warning(setting.place, std::string(owner) + std::string(row.name) +
                                         (is_later ? " does not act yet" : " has no effect here"));
}

void warn_of(const config::OptionBinding& rows, const config::Instance& instance,
             std::string_view owner, config::Diagnostics& diagnostics) {
  for (const config::Setting& setting : instance.settings) {
    // What the driver itself has warned of is said once.
    const auto& told = diagnostics.all();
    const bool is_told = std::any_of(told.begin(), told.end(), [&](const auto& diagnostic) {
      return diagnostic.place == setting.place;
    });
    for (size_t i = 0; i < rows.size() && !is_told; ++i)
      warn(setting, rows.info(i), owner, diagnostics);
  }
}

void warn_of_drivers(const std::vector<config::Instance>& instances, std::string_view kind,
                     const config::OptionBinding& generic, const auto& drivers,
                     config::Diagnostics& diagnostics) {
  for (const config::Instance& instance : instances) {
    const std::string owner = std::string(kind) + instance.name + ": ";
    warn_of(generic, instance, owner, diagnostics);
    const config::Setting* driver = instance.find("driver");
    const std::string name =
        driver != nullptr && driver->value ? driver->value->trimmed().text() : std::string();
    for (const auto& row : drivers) {
      if (row.name != name || row.options == nullptr) continue;
      warn_of(*row.options(), instance, owner, diagnostics);
    }
  }
}

}  // namespace

void warn_of_later_options(const config::ConfigDocument& document,
                           config::Diagnostics& diagnostics) {
  for (const config::Setting& setting : document.main) {
    for (const auto& row : config::main_option_rows()) {
      warn(setting, {row.name, row.default_text, row.effect, row.doc, row.choices}, "",
           diagnostics);
    }
  }
  warn_of_drivers(document.routers, "router ",
                  config::OwnOptions<delivery::RouterOptions>(delivery::router_option_rows()),
                  delivery::router_driver_rows(), diagnostics);
  warn_of_drivers(document.transports, "transport ",
                  config::OwnOptions<delivery::TransportOptions>(delivery::transport_option_rows()),
                  delivery::transport_driver_rows(), diagnostics);
}

}  // namespace godwit::daemon
