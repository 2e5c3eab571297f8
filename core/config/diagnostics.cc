#include "core/config/diagnostics.h"

#include "core/base/ascii.h"
#include "core/config/limits.h"

#include <algorithm>

namespace godwit::config {
namespace {

// The part of a source line that is shown, and where the caret stands under it.
struct Excerpt {
  std::string text;
  size_t caret;
};

// Tabs and other control characters become spaces, so that the caret stays in its column.
Excerpt excerpt_of(std::string_view line, uint32_t column) {
  const size_t target = column == 0 ? 0 : std::min<size_t>(column - 1, line.size());
  size_t start = 0;
  std::string out;
  if (target > kSourceExcerptBytesMax - 40) {
    start = target - (kSourceExcerptBytesMax - 40);
    out = "...";
  }
  const size_t lead = out.size();
  for (char c : line.substr(start, kSourceExcerptBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  if (line.size() > start + kSourceExcerptBytesMax) out += "...";
  return {std::move(out), lead + target - start};
}

void append_place(std::string& out, const Sources& sources, Place place) {
  if (place.line == 0) return;
  out += sources.name(place.file);
  out += ':';
  append_decimal(out, place.line);
  out += ':';
  append_decimal(out, place.column);
  out += ": ";
}

}  // namespace

uint32_t Sources::add(std::string name, std::string text) {
  File file{std::move(name), std::move(text), {0}};
  for (size_t at = file.text.find('\n'); at != std::string::npos;
       at = file.text.find('\n', at + 1)) {
    if (at + 1 < file.text.size()) file.line_starts.push_back(static_cast<uint32_t>(at + 1));
  }
  if (file.text.empty()) file.line_starts.clear();
  files_.push_back(std::move(file));
  return static_cast<uint32_t>(files_.size() - 1);
}

const std::string& Sources::name(uint32_t file) const {
  return files_.at(file).name;
}

std::string_view Sources::line(uint32_t file, uint32_t line) const {
  const File& source = files_.at(file);
  if (line == 0 || line > source.line_starts.size()) return {};
  const std::string_view rest = std::string_view(source.text).substr(source.line_starts[line - 1]);
  return rest.substr(0, rest.find('\n'));
}

size_t Sources::line_count(uint32_t file) const {
  return files_.at(file).line_starts.size();
}

void Diagnostics::error(Place place, std::string message, std::string hint) {
  ++error_count_;
  add({Severity::error, place, std::move(message), std::move(hint)});
}

void Diagnostics::warning(Place place, std::string message, std::string hint) {
  add({Severity::warning, place, std::move(message), std::move(hint)});
}

void Diagnostics::add(Diagnostic diagnostic) {
  if (all_.size() > kDiagnosticsMax) return;
  if (all_.size() == kDiagnosticsMax) {
    diagnostic = {Severity::error, {}, "too many problems; the rest is not shown", {}};
  }
  all_.push_back(std::move(diagnostic));
}

std::string Diagnostics::render(const Diagnostic& diagnostic) const {
  std::string out;
  append_place(out, *sources_, diagnostic.place);
  out += diagnostic.severity == Severity::error ? "error: " : "warning: ";
  out += escape_control(diagnostic.message);
  out += '\n';
  if (diagnostic.place.line != 0) {
    const std::string_view line = sources_->line(diagnostic.place.file, diagnostic.place.line);
    const Excerpt excerpt = excerpt_of(line, diagnostic.place.column);
    out += "  " + excerpt.text + "\n  " + std::string(excerpt.caret, ' ') + "^\n";
  }
  if (!diagnostic.hint.empty()) out += "  hint: " + escape_control(diagnostic.hint) + '\n';
  return out;
}

std::string Diagnostics::render_all() const {
  std::string out;
  for (const Diagnostic& diagnostic : all_) out += render(diagnostic);
  return out;
}

std::string Diagnostics::render_short(const Diagnostic& diagnostic) const {
  std::string out = "Exim configuration error";
  if (diagnostic.place.line != 0) {
    out += " in line ";
    append_decimal(out, diagnostic.place.line);
    out += " of " + sources_->name(diagnostic.place.file);
  }
  return out + ": " + escape_control(diagnostic.message);
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& names) {
  const std::string_view near = nearest_name(word, names);
  if (near.empty() || near == word) return {};
  return "did you mean \"" + std::string(near) + "\"?";
}

}  // namespace godwit::config
