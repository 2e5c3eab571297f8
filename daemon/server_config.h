// ServerConfig: a configuration file, read and compiled, with what follows from it for this
// machine: host name, addresses, paths. Immutable; one for the life of a worker.
#pragma once

#include "acl/expand/regex.h"
#include "acl/policy/policy.h"
#include "core/config/document.h"
#include "core/io/log_writer.h"
#include "daemon/command_brake.h"
#include "delivery/queue/delivery_config.h"
#include "protocol/message/message_id.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::daemon {

struct ServerConfig {
  std::shared_ptr<const acl::CompiledPolicy> policy;
  std::shared_ptr<const delivery::DeliveryConfig> delivery;
  config::ConfigDocument document;
  acl::ServerFacts facts;
  LogPaths log_paths;
  LogStyle log_style;
  std::string spool_directory;
  std::string pid_file_path;
  std::vector<uint16_t> tls_ports;  // tls_on_connect_ports
  std::vector<Endpoint> listen;
  CommandBrake mail_brake;  // smtp_ratelimit_mail
  CommandBrake rcpt_brake;  // smtp_ratelimit_rcpt
  std::optional<uint32_t> localhost_number;
  std::optional<acl::Regex> gecos_pattern;
  double explain_share = 0;  // explain_sample; 0: nothing is sampled

  const config::MainOptions& options() const noexcept { return policy->options(); }
  bool is_tls_port(uint16_t port) const noexcept {
    return std::find(tls_ports.begin(), tls_ports.end(), port) != tls_ports.end();
  }
  // What message_id_form asks for.
  message::IdForm id_form() const noexcept {
    return options().id_form() == config::MessageIdForm::short_form ? message::IdForm::short_form
                                                                    : message::IdForm::long_form;
  }
};

struct LoadOptions {
  std::string path;
  std::vector<config::MacroOverride> overrides;
  std::string interfaces_override;  // -oX
  std::string pid_file_override;    // -oP
};

// All problems are in `diagnostics`; the result is good for use only where it has no errors.
std::shared_ptr<const ServerConfig> load_config(const LoadOptions& options,
                                                config::Diagnostics& diagnostics);

inline constexpr std::string_view kProgramName = "Godwit";
inline constexpr std::string_view kVersion = "0.1.0";
inline constexpr std::string_view kDefaultConfigPath = "/etc/godwit/godwit.conf";
inline constexpr std::string_view kDefaultSpoolDirectory = "/var/spool/godwit";

}  // namespace godwit::daemon
