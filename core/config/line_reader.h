// LineReader: files in, logical lines out. Does macros, .include, .ifdef and its kin, comments and
// continuation, in the order in which Exim does them. Used by read_document() only.
// Lives for one run; keeps references to its arguments.
#pragma once

#include "core/config/diagnostics.h"
#include "core/config/document.h"
#include "core/config/files.h"
#include "core/config/located_text.h"
#include "core/config/macros.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::config {

class LineReader {
 public:
  LineReader(const std::string& path, Files& files, const ReadOptions& options,
             Diagnostics& diagnostics);

  // The next logical line that is not empty, without white space at its ends; nothing at the end.
  std::optional<LocatedText> next();
  MacroTable& macros() noexcept { return macros_; }

 private:
  struct OpenFile {
    uint32_t source;
    std::string directory;  // for relative includes
    std::string text;
    size_t offset = 0;  // of the next line in text
    uint32_t line = 0;  // number of the last line that was read
  };
  enum class Branch : uint8_t { taken, waiting, done };  // of an .ifdef: in force, not yet, over
  struct Conditional {
    Place place;
    Branch branch;
    bool outer_active;
    bool saw_else;
  };

  bool active() const noexcept;
  bool open(const std::string& path, Place from, bool must_exist);
  bool next_physical(LocatedText& line);
  bool take_directive(const LocatedText& line);
  bool take_conditional(std::string_view word, const LocatedText& rest, Place place);
  void take_else(Place place);
  void take_elif(std::string_view argument, bool wanted, Place place);
  void take_include(const LocatedText& argument, Place place, bool must_exist);
  bool expand_macros(LocatedText& line, bool starts_logical_line);
  void report_unended();

  Files& files_;
  Diagnostics& diagnostics_;
  MacroTable macros_;
  std::vector<OpenFile> stack_;
  std::vector<Conditional> conditionals_;
  size_t files_opened_ = 0;
  size_t bytes_out_ = 0;
  bool stopped_ = false;  // a bound was passed: no more lines
};

}  // namespace godwit::config
