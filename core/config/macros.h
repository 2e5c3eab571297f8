// Macros: textual replacement in physical lines, before anything else looks at them.
// Used by the line reader only. EXIM.md 2.1: every line is scanned once for each macro, in the
// order of definition; what replaced a macro is seen by later macros, never by the same one.
#pragma once

#include "core/config/document.h"
#include "core/config/located_text.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::config {

class MacroTable {
 public:
  explicit MacroTable(const ReadOptions& options);

  // `NAME = value` or, with `redefine`, `NAME == value`. An override of the command line wins and
  // leaves the definition without effect. Returns what is wrong, or empty.
  std::string define(std::string_view name, std::string value, bool redefine, Place place);

  // Replaces macros in line[from..]. False where the result would pass `bytes_max`; the line is
  // then left half done.
  bool replace(LocatedText& line, size_t from, size_t bytes_max) const;
  // True where a macro's name occurs in `text`: the condition of .ifdef.
  bool occurs_in(std::string_view text) const;

  const std::vector<Macro>& all() const noexcept { return macros_; }

 private:
  Macro* find(std::string_view name);

  std::vector<std::string_view> builtin_;  // defined as "y"; only names that .ifdef asks for
  std::vector<Macro> macros_;
};

// The length of a macro name at the start of `text`, 0 where there is none.
size_t macro_name_length(std::string_view text) noexcept;

}  // namespace godwit::config
