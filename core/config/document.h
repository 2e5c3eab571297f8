// ConfigDocument: a configuration file after macros, includes and conditionals, before types.
// Every name and value keeps its place. Made by read_document(); read by option tables and by the
// compilers of lists, ACLs, routers, transports, retry and rewrite rules. A value type.
#pragma once

#include "core/config/diagnostics.h"
#include "core/config/files.h"
#include "core/config/located_text.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::config {

// One option line: `name`, `no_name`, `name = value`, or `set name = value` (name is "set" then and
// value is all that follows). The value is raw: quotes are taken off by its type.
struct Setting {
  std::string name;
  Place place;
  std::optional<LocatedText> value;
  bool hide = false;
};

enum class ListKind : uint8_t { domain, host, address, local_part };
// "domain", "host", "address", "local part".
std::string_view list_kind_name(ListKind kind) noexcept;

struct NamedList {
  ListKind kind = ListKind::domain;
  std::string name;
  Place place;
  LocatedText value;  // quotes already taken off
  bool cache = false;
  bool hide = false;
};

// A router, transport or authenticator.
struct Instance {
  std::string name;
  Place place;
  std::vector<Setting> settings;  // in order; `driver` is one of them
  // The last setting of that name.
  const Setting* find(std::string_view option) const noexcept;
};

struct AclSection {
  std::string name;
  Place place;
  std::vector<LocatedText> lines;
};

struct Macro {
  std::string name;
  std::string value;
  Place place;
  bool from_command_line = false;
};

struct ConfigDocument {
  std::string file_name;
  std::vector<Setting> main;
  // Where a main option is set, the last time; no place where it is not.
  Place place_of(std::string_view option) const;
  std::vector<NamedList> lists;
  std::vector<AclSection> acls;
  std::vector<Instance> routers;
  std::vector<Instance> transports;
  std::vector<Instance> authenticators;
  std::vector<LocatedText> retry;
  std::vector<LocatedText> rewrite;
  std::vector<LocatedText> lines;  // all logical lines after macros, for -bP config
  std::vector<Macro> macros;       // in order of definition; built-in macros are not listed
  std::shared_ptr<const Sources> sources;
};

// `-DNAME=value` of the command line.
struct MacroOverride {
  std::string name;
  std::string value;
};

struct ReadOptions {
  std::vector<MacroOverride> overrides;
  // Macros that exist before the first line (`_HAVE_TLS`, `_OPT_MAIN_...`).
  std::vector<std::string_view> builtin_macros;
};

// Reads `path` and what it includes. Problems go to `diagnostics`; the document holds whatever
// could be read, so that later stages can name their problems in the same run.
ConfigDocument read_document(const std::string& path, Files& files, const ReadOptions& options,
                             Diagnostics& diagnostics);

}  // namespace godwit::config
