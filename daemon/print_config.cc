#include "daemon/print_config.h"

#include "core/base/ascii.h"
#include "core/config/main_options.h"
#include "daemon/features.h"

#include <algorithm>
#include <array>
#include <cstdio>

extern char** environ;

namespace godwit::daemon {
namespace {

constexpr const char* kHidden = "<value not displayable>";

void print_line(const std::string& line) {
  std::printf("%s\n", line.c_str());
}

// "name = value" and "name=value" without the name (-n); a truth value has none.
std::string value_of(const std::string& line) {
  const size_t equals = line.find('=');
  if (equals == std::string::npos) return line;
  return std::string(trim_left(std::string_view(line).substr(equals + 1)));
}

bool is_list_of_ids(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 4> kNames{"admin_groups", "never_users", "trusted_groups",
                                                   "trusted_users"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// Options sorted by name, with those that the configuration hides.
struct PrintedOptions {
  std::vector<std::pair<std::string, std::string>> lines;  // name, line

  PrintedOptions(const config::OptionBinding& binding, const std::vector<config::Setting>& settings,
                 bool admin) {
    for (size_t i = 0; i < binding.size(); ++i) {
      const config::OptionInfo info = binding.info(i);
      const bool hidden = !admin && std::any_of(settings.begin(), settings.end(),
                                                [&](const config::Setting& setting) {
                                                  return setting.hide && setting.name == info.name;
                                                });
      std::string line = hidden ? std::string(info.name) + " = " + kHidden
                                : config::print_option(info, binding.value(i));
      // Exim prints lists of users and groups so.
      if (is_list_of_ids(info.name) && line.ends_with("= ")) line.pop_back();
      lines.emplace_back(info.name, std::move(line));
    }
    std::sort(lines.begin(), lines.end());
  }

  bool print(std::string_view name, bool values_only) const {
    for (const auto& [known, line] : lines) {
      if (known != name) continue;
      print_line(values_only ? value_of(line) : line);
      return true;
    }
    return false;
  }
  void print_all(bool values_only) const {
    for (const auto& [known, line] : lines) print_line(values_only ? value_of(line) : line);
  }
};

struct InstanceKind {
  std::string_view word;   // "router"
  std::string_view all;    // "routers"
  std::string_view names;  // "router_list"
  const std::vector<config::Instance>& (*instances)(const config::ConfigDocument& document);
  // The generic options, and those of a driver; null where there are none.
  std::unique_ptr<config::OptionBinding> (*generic)();
  std::unique_ptr<config::OptionBinding> (*own)(std::string_view driver);
};

template <class Rows>
std::unique_ptr<config::OptionBinding> own_options(const Rows& rows, std::string_view driver) {
  for (const auto& row : rows) {
    if (row.name == driver && row.options != nullptr) return row.options();
  }
  return nullptr;
}

const std::array kKinds{
    InstanceKind{"router", "routers", "router_list",
                 [](const config::ConfigDocument& d) -> const auto& { return d.routers; },
                 []() -> std::unique_ptr<config::OptionBinding> {
                   return std::make_unique<config::OwnOptions<delivery::RouterOptions>>(
                       delivery::router_option_rows());
                 },
                 [](std::string_view driver) {
                   return own_options(delivery::router_driver_rows(), driver);
                 }},
    InstanceKind{"transport", "transports", "transport_list",
                 [](const config::ConfigDocument& d) -> const auto& { return d.transports; },
                 []() -> std::unique_ptr<config::OptionBinding> {
                   return std::make_unique<config::OwnOptions<delivery::TransportOptions>>(
                       delivery::transport_option_rows());
                 },
                 [](std::string_view driver) {
                   return own_options(delivery::transport_driver_rows(), driver);
                 }},
    InstanceKind{
        "authenticator", "authenticators", "authenticator_list",
        [](const config::ConfigDocument& d) -> const auto& { return d.authenticators; },
        []() -> std::unique_ptr<config::OptionBinding> { return nullptr; },
        [](std::string_view) -> std::unique_ptr<config::OptionBinding> { return nullptr; }},
};

// Names that say what another option says; those are printed.
constexpr std::array<std::string_view, 6> kSynonyms{
    "fail_verify", "prefix", "prefix_optional", "suffix", "suffix_optional", "verify"};

// What holds where the configuration says nothing and the driver decides. No driver: all of them.
struct UnsaidRow {
  std::string_view kind;
  std::string_view driver;
  std::string_view name;
  std::string_view line;
  bool is_of_mbox = false;       // not with maildir_format or use_bsmtp
  bool is_of_addresses = false;  // only where the router looks at more than the domain
};
// clang-format off
constexpr std::array kUnsaid{
    UnsaidRow{"router",    "accept",     "log_as_local",         "log_as_local"},
    UnsaidRow{"router",    "",           "retry_use_local_part", "retry_use_local_part", false, true},
    UnsaidRow{"router",    "redirect",   "filter_prepend_home",  "filter_prepend_home"},
    UnsaidRow{"transport", "",           "message_size_limit",   "message_size_limit = "},
    UnsaidRow{"transport", "appendfile", "retry_use_local_part", "retry_use_local_part"},
    UnsaidRow{"transport", "autoreply",  "retry_use_local_part", "retry_use_local_part"},
    UnsaidRow{"transport", "lmtp",       "retry_use_local_part", "retry_use_local_part"},
    UnsaidRow{"transport", "pipe",       "retry_use_local_part", "retry_use_local_part"},
    UnsaidRow{"transport", "appendfile", "directory_file",       "directory_file = q${base62:$tod_epoch}-$inode"},
    UnsaidRow{"transport", "appendfile", "maildir_quota_directory_regex", "maildir_quota_directory_regex = ^(?:cur|new|\\..*)$"},
    UnsaidRow{"transport", "appendfile", "check_string",         "check_string = From ", true},
    UnsaidRow{"transport", "appendfile", "escape_string",        "escape_string = >From ", true},
    UnsaidRow{"transport", "appendfile", "message_prefix",       "message_prefix = From ${if def:return_path{$return_path}{MAILER-DAEMON}} ${tod_bsdinbox}\\n", true},
    UnsaidRow{"transport", "appendfile", "message_suffix",       "message_suffix = \\n", true},
};
// clang-format on

std::string driver_of(const config::Instance& instance) {
  const config::Setting* setting = instance.find("driver");
  return setting != nullptr && setting->value ? setting->value->trimmed().text() : std::string();
}

class ConfigPrinter {
 public:
  ConfigPrinter(const ServerConfig& config, const CommandLine& line, bool admin)
      : config_(config), values_only_(line.values_only), admin_(admin) {}

  // What one word, or two, ask for. False: they mean nothing.
  bool print(const std::vector<std::string>& words, size_t& at) {
    const std::string& word = words[at++];
    if (word.starts_with('+')) return print_list(word.substr(1));
    if (word == "all" || word.starts_with('-')) return print_main();
    if (word == "config") return print_text();
    if (word == "configure_file" || word == "config_file") {
      print_line(config_.document.file_name);
      return true;
    }
    if (word == "environment") return print_environment();
    if (word == "macro_list" || word == "macros") return print_macros(word == "macro_list");
    if (word == "macro" && at < words.size()) return print_macro(words[at++]);
    if (word == "acl" && at < words.size()) return print_acl(words[at++]);
    if (word == "acl_list") return print_acl_names();
    if (word == "spool_directory") return printed("spool_directory = " + config_.spool_directory);
    if (word == "pid_file_path") return printed("pid_file_path = " + config_.pid_file_path);
    for (const InstanceKind& kind : kKinds) {
      if (word == kind.names) return print_names(kind);
      if (word == kind.all) return print_instances(kind);
      if (word == kind.word && at < words.size()) return print_instance(kind, words[at++]);
    }
    if (print_option(word)) return true;
    std::printf("%s is not a known option\n", word.c_str());
    return false;
  }

  bool print_main() {
    with_main([this](const PrintedOptions& options) {
      options.print_all(values_only_);
      return true;
    });
    return true;
  }

 private:
  // A line of an option, a list or a macro.
  bool printed(const std::string& line) const {
    print_line(values_only_ ? value_of(line) : line);
    return true;
  }

  template <class Use>
  bool with_main(Use use) {
    config::MainOptions options;
    config::Diagnostics diagnostics;
    const std::vector<config::OptionRow<config::MainOptions>> rows = config::main_option_rows();
    config::OptionTarget<config::MainOptions> target(rows, options);
    config::apply_settings(config_.document.main, {&target}, diagnostics, "main",
                           config::main_option_aliases());
    options.primary_hostname = config_.facts.primary_hostname;
    options.qualify_domain = config_.facts.qualify_domain;
    options.qualify_recipient = config_.facts.qualify_recipient;
    return use(PrintedOptions(target, config_.document.main, admin_));
  }

  bool print_option(const std::string& name) {
    std::string_view wanted = name;
    for (const config::OptionAlias& alias : config::main_option_aliases()) {
      if (alias.old_name == name) wanted = alias.name;
    }
    return with_main(
        [&](const PrintedOptions& options) { return options.print(wanted, values_only_); });
  }

  bool print_list(const std::string& name) {
    bool found = false;
    for (const config::NamedList& list : config_.document.lists) {
      if (list.name != name) continue;
      found = true;
      std::string kind(config::list_kind_name(list.kind));
      std::erase(kind, ' ');
      printed(kind + "list " + name + " = " +
              (list.hide ? std::string(kHidden) : list.value.text()));
    }
    if (!found) {
      std::printf("no address, domain, host, or local part list called \"%s\" exists\n",
                  name.c_str());
    }
    return found;
  }

  // The lines that are in force, indented by section.
  bool print_text() {
    print_line("# Godwit configuration (" + std::string(kVersion) + ")");
    uint32_t file = UINT32_MAX;
    bool in_section = false;
    for (const config::LocatedText& line : config_.document.lines) {
      const config::Place place = line.begin_place();
      if (place.file != file) {
        file = place.file;
        print_line("# " + std::to_string(place.line) + " \"" +
                   std::string(config_.document.sources->name(file)) + "\"");
      }
      const std::string_view text = line.view();
      const size_t name_end =
          text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
      const bool is_label = in_section && name_end != std::string_view::npos && name_end > 0 &&
                            text.substr(text.find_first_not_of(" \t", name_end)).starts_with(':') &&
                            text.find_first_not_of(" \t", name_end) + 1 == text.size();
      if (text.starts_with("begin")) {
        in_section = true;
        print_line("\n" + std::string(text));
      } else if (is_label) {
        print_line("\n  " + std::string(text));
      } else {
        print_line((in_section ? "    " : "") + std::string(text));
      }
    }
    return true;
  }

  static bool print_environment() {
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable)
      variables.emplace_back(*variable);
    std::sort(variables.begin(), variables.end());
    for (const std::string& variable : variables) print_line(variable);
    return true;
  }

  bool print_macros(bool names_only) {
    for (std::string_view name : builtin_macros())
      printed(std::string(name) + (names_only ? "" : "=y"));
    for (const config::Macro& macro : config_.document.macros)
      printed(names_only ? macro.name : macro.name + "=" + macro.value);
    return true;
  }
  bool print_macro(const std::string& name) {
    for (const config::Macro& macro : config_.document.macros) {
      if (macro.name == name) return printed(macro.name + "=" + macro.value);
    }
    std::printf("macro %s not found\n", name.c_str());
    return false;
  }

  bool print_acl(const std::string& name) {
    for (const config::AclSection& acl : config_.document.acls) {
      if (acl.name != name) continue;
      print_line(name + ":");
      for (const config::LocatedText& line : acl.lines) print_line("  " + line.text());
      return true;
    }
    std::printf("acl %s not found\n", name.c_str());
    return false;
  }
  bool print_acl_names() {
    for (const config::AclSection& acl : config_.document.acls) print_line(acl.name);
    return true;
  }

  bool print_names(const InstanceKind& kind) {
    for (const config::Instance& instance : kind.instances(config_.document))
      print_line(instance.name);
    return true;
  }
  bool print_instances(const InstanceKind& kind) {
    for (const config::Instance& instance : kind.instances(config_.document)) {
      print_line("\n" + instance.name + " " + std::string(kind.word) + ":");
      print_options(kind, instance);
    }
    return true;
  }
  bool print_instance(const InstanceKind& kind, const std::string& name) {
    for (const config::Instance& instance : kind.instances(config_.document)) {
      if (instance.name != name) continue;
      print_options(kind, instance);
      return true;
    }
    std::printf("%s %s not found\n", std::string(kind.word).c_str(), name.c_str());
    return false;
  }

  // Generic options with the driver among them, then the driver's own.
  void print_options(const InstanceKind& kind, const config::Instance& instance) {
    const std::unique_ptr<config::OptionBinding> generic = kind.generic();
    if (generic == nullptr) return;
    const std::string driver = driver_of(instance);
    const std::unique_ptr<config::OptionBinding> own = kind.own(driver);
    config::Diagnostics diagnostics;
    if (own != nullptr) {
      config::apply_settings(instance.settings, {generic.get(), own.get()}, diagnostics, kind.word);
    } else {
      config::apply_settings(instance.settings, {generic.get()}, diagnostics, kind.word);
    }
    PrintedOptions options(*generic, instance.settings, admin_);
    options.lines.emplace_back("driver", "driver = " + driver);
    std::sort(options.lines.begin(), options.lines.end());
    spread(options, "no_verify", {"verify_recipient", "verify_sender"}, "no_");
    spread(options, "fail_verify", {"fail_verify_recipient", "fail_verify_sender"}, "");
    std::erase_if(options.lines, [](const auto& line) {
      return std::find(kSynonyms.begin(), kSynonyms.end(), line.first) != kSynonyms.end();
    });
    fill_unsaid(kind.word, driver, instance, options);
    options.print_all(values_only_);
    if (own == nullptr) return;
    PrintedOptions own_options(*own, instance.settings, admin_);
    fill_unsaid(kind.word, driver, instance, own_options);
    own_options.print_all(values_only_);
  }

  // An option that stands for two others says what they are.
  static void spread(PrintedOptions& options, std::string_view said,
                     std::initializer_list<std::string_view> names, std::string_view prefix) {
    const bool is_said = std::any_of(options.lines.begin(), options.lines.end(),
                                     [&](const auto& line) { return line.second == said; });
    if (!is_said) return;
    for (auto& [name, line] : options.lines) {
      if (std::find(names.begin(), names.end(), name) != names.end())
        line = std::string(prefix) + name;
    }
  }

  // A router that looks at more than the domain retries each address by itself.
  static bool looks_at_addresses(const config::Instance& instance) {
    constexpr std::array<std::string_view, 9> kOptions{
        "check_local_user",  "condition",     "local_part_prefix",
        "local_part_suffix", "local_parts",   "prefix",
        "senders",           "require_files", "suffix"};
    return std::any_of(kOptions.begin(), kOptions.end(),
                       [&](std::string_view name) { return instance.find(name) != nullptr; });
  }

  static void fill_unsaid(std::string_view kind, std::string_view driver,
                          const config::Instance& instance, PrintedOptions& options) {
    const bool is_mbox =
        instance.find("maildir_format") == nullptr && instance.find("use_bsmtp") == nullptr;
    for (const UnsaidRow& row : kUnsaid) {
      const bool fits = row.kind == kind && (row.driver.empty() || row.driver == driver) &&
                        (is_mbox || !row.is_of_mbox) && instance.find(row.name) == nullptr &&
                        (!row.is_of_addresses || looks_at_addresses(instance));
      for (auto& [name, line] : options.lines) {
        if (fits && name == row.name) line = row.line;
      }
    }
  }

  const ServerConfig& config_;
  bool values_only_;
  bool admin_;
};

}  // namespace

int print_config(const ServerConfig& config, const CommandLine& line, bool admin) {
  ConfigPrinter printer(config, line, admin);
  const std::vector<std::string>& words = line.arguments;
  if (words.empty()) return printer.print_main() ? 0 : 1;
  bool last_known = true;  // the last word decides, as with Exim
  for (size_t at = 0; at < words.size();) last_known = printer.print(words, at);
  return last_known ? 0 : 1;
}

}  // namespace godwit::daemon
