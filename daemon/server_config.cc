#include "daemon/server_config.h"

#include "acl/expand/regex.h"
#include "core/base/ascii.h"
#include "core/config/files.h"
#include "core/config/values.h"
#include "daemon/explain_keeper.h"
#include "daemon/features.h"
#include "daemon/interfaces.h"
#include "daemon/resolver_setup.h"
#include "delivery/route/host_finder.h"
#include "protocol/smtp/ports.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

namespace godwit::daemon {
namespace {

std::string system_host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name.front() == '\0') return "localhost";
  return name.data();
}

// Evaluates a main option that is expanded once, at start.
std::string at_start(const acl::CompiledPolicy& policy, std::string_view option,
                     const acl::ServerFacts& facts, config::Diagnostics& diagnostics) {
  acl::EvalContext context;
  context.server = &facts;
  acl::EvalResult value = policy.expansion(option).evaluate(context);
  if (!value.ok()) {
    diagnostics.error({}, "failed to expand " + std::string(option) + ": " + value.text);
    return {};
  }
  return std::move(value.text);
}

SyslogSetup syslog_setup(const config::MainOptions& options, config::Diagnostics& diagnostics) {
  SyslogSetup setup;
  setup.socket_path = options.syslog_socket;
  setup.name = options.syslog_processname;
  setup.shows_time = options.syslog_timestamp;
  setup.shows_pid = options.syslog_pid;
  setup.duplicates = options.syslog_duplication;
  const std::string name = options.syslog_facility.empty() ? "mail" : options.syslog_facility;
  const std::optional<int> facility = syslog_facility(name);
  if (!facility) diagnostics.error({}, "syslog_facility: \"" + name + "\" is no facility");
  setup.facility = facility.value_or(0);
  return setup;
}

// log_file_path: a list of "syslog" and of one path with %s for the log's name.
void set_log_paths(std::string_view list, ServerConfig& config, config::Diagnostics& diagnostics) {
  const config::MainOptions& options = config.options();
  bool to_syslog = false;
  std::string pattern;
  const std::vector<std::string> items = config::split_list(list);
  for (const std::string& item : items) {
    if (item == "syslog") {
      to_syslog = true;
    } else if (!item.empty()) {
      pattern = item;
    }
  }
  if (to_syslog) config.log_paths.syslog = syslog_setup(options, diagnostics);
  if (options.message_logs)
    config.log_paths.messages.directory = config.spool_directory + "/msglog";
  if (options.message_logs && options.preserve_message_logs)
    config.log_paths.messages.kept = config.spool_directory + "/msglog.OLD";
  if (pattern.empty() && (items.empty() || !to_syslog || items.size() > 1)) {
    pattern = config.spool_directory + "/log/%slog";
  }
  if (pattern.empty()) return;
  const size_t at = pattern.find("%s");
  if (at == std::string::npos || !pattern.starts_with('/')) {
    diagnostics.error({},
                      "log_file_path \"" + pattern + "\" must be an absolute path with %s in it");
    return;
  }
  const auto named = [&](std::string_view name) {
    return std::string(pattern).replace(at, 2, name);
  };
  config.log_paths.main = named("main");
  config.log_paths.panic = named("panic");
  if (options.write_rejectlog) config.log_paths.reject = named("reject");
}

struct ListenReader {
  ServerConfig& config;
  config::Diagnostics& diagnostics;
  std::vector<uint16_t> ports;

  void read_ports(std::string_view list, std::string_view option, std::vector<uint16_t>& out) {
    for (const std::string& item : config::split_list(list)) {
      const std::optional<uint16_t> port = smtp::parse_port(item);
      if (port) {
        out.push_back(*port);
      } else {
        diagnostics.error({}, "\"" + item + "\" in " + std::string(option) + " is no port");
      }
    }
  }
  void add(const Endpoint& at) {
    const bool known = std::any_of(config.listen.begin(), config.listen.end(),
                                   [&](const Endpoint& listen) { return listen == at; });
    if (!known) config.listen.push_back(at);
  }
  void read_interfaces(std::string_view list) {
    for (const std::string& item : config::split_list(list)) {
      if (item.empty()) continue;
      const std::optional<Endpoint> at = parse_interface(item);
      if (!at) {
        diagnostics.error({}, "\"" + item + "\" in local_interfaces is no IP address");
        continue;
      }
      if (at->address.is_v6() && config.options().disable_ipv6) continue;
      if (at->port != 0) {
        add(*at);
        continue;
      }
      for (uint16_t port : ports) add({at->address, port});
    }
  }
};

// -oX: items that are ports replace daemon_smtp_ports, items that are addresses local_interfaces.
void set_listen(const LoadOptions& load, ServerConfig& config, config::Diagnostics& diagnostics) {
  const config::MainOptions& options = config.options();
  ListenReader reader{config, diagnostics, {}};
  std::string interfaces = options.local_interfaces;
  std::string ports = options.daemon_smtp_ports;
  if (!load.interfaces_override.empty()) {
    std::string only_ports;
    std::string only_addresses = "<;";
    for (const std::string& item : config::split_list(load.interfaces_override)) {
      if (smtp::parse_port(item)) {
        only_ports += (only_ports.empty() ? "" : ":") + item;
      } else {
        only_addresses += " " + item + " ;";
      }
    }
    if (!only_ports.empty()) ports = only_ports;
    if (only_addresses != "<;") interfaces = only_addresses;
  }
  reader.read_ports(ports, "daemon_smtp_ports", reader.ports);
  reader.read_ports(at_start(*config.policy, "tls_on_connect_ports", config.facts, diagnostics),
                    "tls_on_connect_ports", config.tls_ports);
  reader.read_interfaces(interfaces);
}

void check_queue_only_file(const ServerConfig& config, config::Diagnostics& diagnostics) {
  for (const std::string& path : config::split_list(config.options().queue_only_file)) {
    if (path.empty() || path.starts_with('/')) continue;
    diagnostics.error({}, "queue_only_file: \"" + path + "\" is no absolute path",
                      "paths with \"smtp\" before them are not available");
  }
}

// Options that a file must not count on: to read them and do nothing would be worse than to say no.
void refuse_options(const ServerConfig& config, config::Diagnostics& diagnostics) {
  const config::MainOptions& options = config.options();
  struct Row {
    std::string_view name;
    bool is_set;
    std::string_view why;
  };
  const Row rows[] = {
      {"mua_wrapper", options.mua_wrapper,
       "who counts on delivery or failure at once must not get a queue instead"},
      {"disable_fsync", options.disable_fsync,
       "250 means that the message is on disk; many messages share one sync, so there is little to "
       "gain"},
      {"move_frozen_messages", options.move_frozen_messages,
       "frozen messages stay where -bp and -M... find them; timeout_frozen_after ends them"}};
  if (options.local_sender_retain && options.local_from_check)
    diagnostics.error({}, "local_sender_retain needs no_local_from_check",
                      "a Sender: that is checked cannot be kept as it is");
  for (const Row& row : rows) {
    if (!row.is_set) continue;
    diagnostics.error(config.document.place_of(row.name),
                      std::string(row.name) + " is not available", std::string(row.why));
  }
}

// Numbers that may be expansions are read at use; a constant can be checked now.
void check_numbers(const ServerConfig& config, config::Diagnostics& diagnostics) {
  struct Row {
    std::string_view name;
    const config::ExpandText& text;
    bool is_time;
  };
  const config::MainOptions& options = config.options();
  const Row rows[] = {
      {"message_size_limit", options.message_size_limit, false},
      {"smtp_accept_max_per_connection", options.smtp_accept_max_per_connection, false},
      {"smtp_accept_max_per_host", options.smtp_accept_max_per_host, false},
      {"smtp_receive_timeout", options.smtp_receive_timeout, true}};
  for (const Row& row : rows) {
    const acl::Expansion& value = config.policy->expansion(row.name);
    const std::string_view text = trim(value.constant());
    if (!value.is_constant() || text.empty()) continue;
    const bool good = row.is_time ? config::parse_time(text).has_value()
                                  : config::parse_integer(text).has_value();
    if (good) continue;
    diagnostics.error(
        row.text.text.begin_place(),
        "\"" + std::string(text) + "\" is no value of " + std::string(row.name),
        row.is_time ? "a time, as in 5m" : "a number, with K, M or G after it if need be");
  }
}

// Expressions that are not lists of the language: nobody else compiles them at load.
void compile_patterns(ServerConfig& config, config::Diagnostics& diagnostics) {
  const auto compiled_or_told = [&](std::string_view name, std::string_view pattern) {
    Result<acl::Regex> compiled = acl::Regex::compile(pattern, false);
    if (compiled) return std::optional<acl::Regex>(std::move(*compiled));
    diagnostics.error(config.document.place_of(name),
                      std::string(name) + ": " + compiled.error().detail());
    return std::optional<acl::Regex>();
  };
  const config::MainOptions& options = config.options();
  if (!options.gecos_pattern.empty())
    config.gecos_pattern = compiled_or_told("gecos_pattern", options.gecos_pattern);
  compiled_or_told("uucp_from_pattern", options.uucp_from_pattern);
  for (const std::string& item : config::split_list(options.keep_environment)) {
    std::string_view pattern = item;
    if (pattern.starts_with('!')) pattern = trim_left(pattern.substr(1));
    if (pattern.starts_with('^')) compiled_or_told("keep_environment", pattern);
  }
}

// localhost_number, with Exim's words for what is wrong with it. A unit is no part of it.
void set_localhost_number(ServerConfig& config, config::Diagnostics& diagnostics) {
  const config::LocatedText& set = config.options().localhost_number.text;
  config.facts.localhost_number = "0";
  if (set.text().empty()) return;
  const std::string value = at_start(*config.policy, "localhost_number", config.facts, diagnostics);
  const std::string_view text = trim(value);
  const Result<int64_t> number = text.empty() ? Result<int64_t>(0) : config::parse_integer(text);
  const bool has_unit =
      !text.empty() && std::string_view("kKmMgG").find(text.back()) != std::string_view::npos;
  if (!number || has_unit) {
    diagnostics.error(set.begin_place(), "localhost_number value is not a number: " + value);
  } else if (*number < 0) {
    diagnostics.error(set.begin_place(), "localhost_number is less than 0");
  } else if (*number > message::kHostNumberMax) {
    diagnostics.error(set.begin_place(),
                      "localhost_number is greater than the maximum allowed value (" +
                          std::to_string(message::kHostNumberMax) + ")");
  } else {
    config.localhost_number = static_cast<uint32_t>(*number);
    config.facts.localhost_number = std::to_string(*number);
  }
}

void check_stores(const config::MainOptions& options, config::Diagnostics& diagnostics) {
  if (options.rate_store() != config::RatelimitStore::redis || !options.redis_servers.empty())
    return;
  diagnostics.error({}, "ratelimit_store = redis needs redis_servers",
                    "name the servers that keep the rates, as in redis_servers = 192.0.2.1//");
}

void set_brakes(ServerConfig& config, config::Diagnostics& diagnostics) {
  const auto set = [&](std::string_view name, const std::string& text, CommandBrake& brake) {
    if (text.empty()) return;
    const Result<CommandBrake> parsed = parse_command_brake(text);
    if (parsed) {
      brake = *parsed;
    } else {
      diagnostics.error({}, std::string(name) + ": " + parsed.error().detail());
    }
  };
  set("smtp_ratelimit_mail", config.options().smtp_ratelimit_mail, config.mail_brake);
  set("smtp_ratelimit_rcpt", config.options().smtp_ratelimit_rcpt, config.rcpt_brake);
}

void set_facts(ServerConfig& config, const LoadOptions& load) {
  const config::MainOptions& options = config.options();
  acl::ServerFacts& facts = config.facts;
  facts.primary_hostname =
      options.primary_hostname.empty() ? system_host_name() : options.primary_hostname;
  facts.qualify_domain =
      options.qualify_domain.empty() ? facts.primary_hostname : options.qualify_domain;
  facts.qualify_recipient =
      options.qualify_recipient.empty() ? facts.qualify_domain : options.qualify_recipient;
  facts.config_file = load.path;
  facts.version_number = kVersion;
  facts.exim_path = options.exim_path;
  facts.local_addresses = local_addresses(
      {options.local_interfaces, options.extra_local_interfaces}, delivery::interface_addresses());
  facts.pid = getpid();
  facts.uid = getuid();
  facts.gid = getgid();
  facts.caller_uid = facts.uid;
  facts.caller_gid = facts.gid;
  facts.strict_acl_vars = options.strict_acl_vars;
  facts.check_rfc2047_length = options.check_rfc2047_length;
  facts.return_error_details = options.smtp_return_error_details;
  facts.host_lookup_order = options.host_lookup_order;
  facts.csa_parents_max = static_cast<size_t>(std::max<int64_t>(options.dns_csa_search_limit, 0));
  facts.csa_of_addresses = options.dns_csa_use_reverse;
  facts.headers_charset = options.headers_charset;
  facts.bounce_return_size_limit = options.bounce_return_size_limit;
  std::error_code ignored;
  facts.initial_directory = std::filesystem::current_path(ignored).string();
}

}  // namespace

std::shared_ptr<const ServerConfig> load_config(const LoadOptions& load,
                                                config::Diagnostics& diagnostics) {
  auto config = std::make_shared<ServerConfig>();
  config::DiskFiles files;
  config::ReadOptions read;
  read.overrides = load.overrides;
  read.builtin_macros = builtin_macros();
  config->document = config::read_document(load.path, files, read, diagnostics);
  config->policy = acl::compile_policy(config->document, diagnostics);
  config->delivery = delivery::compile_delivery(config->document, config->policy, diagnostics);
  check_numbers(*config, diagnostics);
  refuse_options(*config, diagnostics);
  check_queue_only_file(*config, diagnostics);
  set_brakes(*config, diagnostics);
  check_stores(config->options(), diagnostics);
  compile_patterns(*config, diagnostics);
  if (diagnostics.has_errors()) return config;
  set_facts(*config, load);
  acl::ServerFacts& facts = config->facts;
  const config::MainOptions& options = config->options();
  config->spool_directory = at_start(*config->policy, "spool_directory", facts, diagnostics);
  if (config->spool_directory.empty()) config->spool_directory = kDefaultSpoolDirectory;
  facts.spool_directory = config->spool_directory;
  set_localhost_number(*config, diagnostics);
  const std::string active = at_start(*config->policy, "smtp_active_hostname", facts, diagnostics);
  facts.smtp_active_hostname = active.empty() ? facts.primary_hostname : active;
  set_log_paths(at_start(*config->policy, "log_file_path", facts, diagnostics), *config,
                diagnostics);
  facts.log_directory = std::filesystem::path(config->log_paths.main).parent_path().string();
  config->log_paths.json = options.log_json_path;
  config->log_style.utc = options.timezone == "UTC";
  config->log_style.show_zone = options.log_timezone;
  config->log_style.milliseconds = options.log_selector.has(config::LogSelector::millisec);
  config->log_style.pid = options.log_selector.has(config::LogSelector::pid);
  config->pid_file_path = load.pid_file_override.empty()
                              ? at_start(*config->policy, "pid_file_path", facts, diagnostics)
                              : load.pid_file_override;
  if (config->pid_file_path.empty())
    config->pid_file_path = config->spool_directory + "/exim-daemon.pid";
  const std::optional<double> share = parse_explain_sample(options.explain_sample);
  if (!share)
    diagnostics.error({}, "\"" + options.explain_sample + "\" is no value of explain_sample",
                      "a share, as in 1% or 1/100");
  config->explain_share = share.value_or(0);
  set_listen(load, *config, diagnostics);
  check_dns_options(options, diagnostics);
  return config;
}

}  // namespace godwit::daemon
