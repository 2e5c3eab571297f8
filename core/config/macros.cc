#include "core/config/macros.h"

#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/limits.h"

#include <algorithm>

namespace godwit::config {
namespace {

// Macro names begin with an upper-case letter, built-in ones with an underscore and one.
bool may_hold_macros(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return is_upper(c); });
}

bool replace_one(LocatedText& line, size_t from, std::string_view name, std::string_view value,
                 size_t bytes_max) {
  size_t hit = line.view().find(name, from);
  if (hit == std::string_view::npos) return true;
  LocatedText out;
  size_t copied = 0;
  while (hit != std::string_view::npos) {
    out.append(line.substr(copied, hit - copied));
    out.append_fixed(value, line.at(hit));
    copied = hit + name.size();
    if (out.size() + line.size() - copied > bytes_max) return false;
    hit = line.view().find(name, copied);
  }
  out.append(line.substr(copied));
  line = std::move(out);
  return true;
}

}  // namespace

size_t macro_name_length(std::string_view text) noexcept {
  if (text.empty() || !is_upper(text.front())) return 0;
  size_t length = 1;
  while (length < text.size() && (is_alnum(text[length]) || text[length] == '_')) ++length;
  return length;
}

MacroTable::MacroTable(const ReadOptions& options) : builtin_(options.builtin_macros) {
  for (const MacroOverride& macro : options.overrides) {
    macros_.push_back({macro.name, macro.value, {}, true});
  }
}

Macro* MacroTable::find(std::string_view name) {
  const auto found = std::find_if(macros_.begin(), macros_.end(),
                                  [&](const Macro& macro) { return macro.name == name; });
  return found == macros_.end() ? nullptr : &*found;
}

std::string MacroTable::define(std::string_view name, std::string value, bool redefine,
                               Place place) {
  if (name.size() > kMacroNameBytesMax) return "macro name is too long";
  if (Macro* known = find(name)) {
    if (known->from_command_line) return {};
    if (!redefine) {
      return "macro " + quoted(name) + " is already defined (use \"==\" to redefine it)";
    }
    known->value = std::move(value);
    known->place = place;
    return {};
  }
  if (redefine) return "macro " + quoted(name) + " cannot be redefined: it is not defined";
  for (const Macro& macro : macros_) {
    if (name.find(macro.name) == std::string_view::npos) continue;
    return quoted(name) + " cannot be defined as a macro: the macro " + quoted(macro.name) +
           ", defined before, is a part of its name";
  }
  if (macros_.size() >= kMacrosMax) return "too many macros";
  macros_.push_back({std::string(name), std::move(value), place, false});
  return {};
}

bool MacroTable::replace(LocatedText& line, size_t from, size_t bytes_max) const {
  const std::string_view rest = line.view().substr(std::min(from, line.size()));
  if (!may_hold_macros(rest)) return true;
  if (rest.find('_') != std::string_view::npos) {
    for (std::string_view name : builtin_) {
      if (!replace_one(line, from, name, "y", bytes_max)) return false;
    }
  }
  for (const Macro& macro : macros_) {
    if (!replace_one(line, from, macro.name, macro.value, bytes_max)) return false;
  }
  return true;
}

bool MacroTable::occurs_in(std::string_view text) const {
  const auto occurs = [&](std::string_view name) {
    return text.find(name) != std::string_view::npos;
  };
  return std::any_of(builtin_.begin(), builtin_.end(), occurs) ||
         std::any_of(macros_.begin(), macros_.end(),
                     [&](const Macro& macro) { return occurs(macro.name); });
}

}  // namespace godwit::config
