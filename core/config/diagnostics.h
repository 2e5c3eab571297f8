// Diagnostics: all problems of one run over a configuration, in the order in which they were found.
// Used by the reader, option tables, and the compilers of expansions, lists, ACLs and retry rules.
// Lives as long as the run; `Sources` is shared with the document that came out of it.
// Printed by `-bV` (render_all), and as one-line entries in the logs (render_short).
#pragma once

#include "core/config/located_text.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::config {

// The files of one run and their text, for the excerpts.
class Sources {
 public:
  // Returns the index that a Place carries.
  uint32_t add(std::string name, std::string text);
  size_t size() const noexcept { return files_.size(); }
  const std::string& name(uint32_t file) const;
  // Without its line end; empty where there is no such line. Lines count from 1.
  std::string_view line(uint32_t file, uint32_t line) const;
  size_t line_count(uint32_t file) const;

 private:
  struct File {
    std::string name;
    std::string text;
    std::vector<uint32_t> line_starts;
  };
  std::vector<File> files_;
};

enum class Severity : uint8_t { error, warning };

struct Diagnostic {
  Severity severity = Severity::error;
  Place place;          // line 0: the run as a whole
  std::string message;  // without a full stop
  std::string hint;     // "did you mean ..."; may be empty
};

class Diagnostics {
 public:
  Diagnostics() : sources_(std::make_shared<Sources>()) {}

  void error(Place place, std::string message, std::string hint = {});
  void warning(Place place, std::string message, std::string hint = {});

  bool has_errors() const noexcept { return error_count_ > 0; }
  size_t error_count() const noexcept { return error_count_; }
  const std::vector<Diagnostic>& all() const noexcept { return all_; }

  Sources& sources() noexcept { return *sources_; }
  std::shared_ptr<const Sources> share_sources() const { return sources_; }

  // "file:12:7: error: text", the source line, a caret, "  hint: ...". Ends with a line end.
  std::string render(const Diagnostic& diagnostic) const;
  std::string render_all() const;
  // The words of Exim's panic log: "Exim configuration error in line N of FILE:" and the message.
  std::string render_short(const Diagnostic& diagnostic) const;

 private:
  void add(Diagnostic diagnostic);

  std::shared_ptr<Sources> sources_;
  std::vector<Diagnostic> all_;
  size_t error_count_ = 0;
};

// "did you mean "x"?" for the nearest name, or empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& names);

}  // namespace godwit::config
