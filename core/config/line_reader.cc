#include "core/config/line_reader.h"

#include "core/base/ascii.h"
#include "core/config/limits.h"
#include "core/config/values.h"

#include <algorithm>

namespace godwit::config {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

size_t first_not_blank(std::string_view text) {
  return text.size() - trim_left(text).size();
}

}  // namespace

LineReader::LineReader(const std::string& path, Files& files, const ReadOptions& options,
                       Diagnostics& diagnostics)
    : files_(files), diagnostics_(diagnostics), macros_(options) {
  open(path, {}, true);
}

std::optional<LocatedText> LineReader::next() {
  LocatedText logical;
  LocatedText physical;
  while (next_physical(physical)) {
    const std::string_view text = trim_left(physical.view());
    if (text.starts_with('#')) continue;
    if (!active()) {
      if (text.starts_with('.')) take_directive(physical.trimmed());
      continue;
    }
    const bool is_condition =
        text.starts_with(".ifdef") || text.starts_with(".ifndef") || text.starts_with(".elif");
    // The names that a condition asks about must survive until it is tested.
    if (!is_condition && !expand_macros(physical, logical.empty())) return std::nullopt;
    physical = physical.trimmed();
    if (physical.view().starts_with('#')) continue;
    if (physical.view().starts_with('.') && take_directive(physical)) continue;
    const bool continues = physical.view().ends_with('\\');
    logical.append(continues ? physical.substr(0, physical.size() - 1) : physical);
    if (logical.size() > kLogicalLineBytesMax) {
      diagnostics_.error(physical.begin_place(), "the line with its continuations is too long");
      stopped_ = true;
      return std::nullopt;
    }
    if (continues) continue;
    logical = logical.trimmed();
    if (!logical.empty()) return logical;
    logical.clear();
  }
  if (stopped_) return std::nullopt;
  logical = logical.trimmed();
  if (!logical.empty()) return logical;
  report_unended();
  return std::nullopt;
}

bool LineReader::active() const noexcept {
  return conditionals_.empty() ||
         (conditionals_.back().outer_active && conditionals_.back().branch == Branch::taken);
}

bool LineReader::next_physical(LocatedText& line) {
  if (stopped_) return false;
  while (!stack_.empty() && stack_.back().offset >= stack_.back().text.size()) stack_.pop_back();
  if (stack_.empty()) return false;
  OpenFile& file = stack_.back();
  const size_t end = std::min(file.text.find('\n', file.offset), file.text.size());
  const Place place{file.source, ++file.line, 1};
  line = LocatedText(file.text.substr(file.offset, end - file.offset), place);
  file.offset = end + 1;
  bytes_out_ += line.size();
  const size_t nul = line.view().find('\0');
  if (nul != std::string_view::npos) {
    diagnostics_.error(line.at(nul), "a NUL byte in the configuration");
    line.clear();
  }
  return true;
}

bool LineReader::expand_macros(LocatedText& line, bool starts_logical_line) {
  size_t from = 0;
  if (starts_logical_line) {
    // The name in a definition is not replaced, so that `NAME == ...` can redefine it.
    const std::string_view text = line.view();
    const size_t begin = first_not_blank(text);
    const size_t end = begin + macro_name_length(text.substr(begin));
    const size_t sign = end + first_not_blank(text.substr(end));
    if (end > begin && sign < text.size() && text[sign] == '=') from = sign;
  }
  const size_t before = line.size();
  const bool fits = macros_.replace(line, from, kPhysicalLineBytesMax);
  bytes_out_ += line.size() > before ? line.size() - before : 0;
  if (fits && bytes_out_ <= kExpandedBytesMax) return true;
  diagnostics_.error(line.begin_place(), fits ? "the configuration is too long after its macros"
                                              : "the line is too long after its macros");
  stopped_ = true;
  return false;
}

// A line that begins with a dot. False where it is no directive.
bool LineReader::take_directive(const LocatedText& line) {
  const std::string_view text = line.view();
  size_t end = 1;
  while (end < text.size() && (is_alpha(text[end]) || text[end] == '_')) ++end;
  const std::string_view word = text.substr(1, end - 1);
  const LocatedText rest = line.substr(end).trimmed();
  const Place place = line.begin_place();
  if (take_conditional(word, rest, place)) return true;
  if (!active()) return true;
  if (word != "include" && word != "include_if_exists") return false;
  take_include(rest, place, word == "include");
  return true;
}

bool LineReader::take_conditional(std::string_view word, const LocatedText& rest, Place place) {
  if (word == "ifdef" || word == "ifndef") {
    const bool holds = macros_.occurs_in(rest.view()) == (word == "ifdef");
    if (conditionals_.size() >= kConditionalDepthMax) {
      diagnostics_.error(place, ".ifdef is nested too deeply");
      stopped_ = true;
      return true;
    }
    conditionals_.push_back({place, holds ? Branch::taken : Branch::waiting, active(), false});
    return true;
  }
  if (word != "elifdef" && word != "elifndef" && word != "else" && word != "endif") return false;
  if (conditionals_.empty()) {
    diagnostics_.error(place, "." + std::string(word) + " without .ifdef or .ifndef");
  } else if (word == "endif") {
    conditionals_.pop_back();
  } else if (word == "else") {
    take_else(place);
  } else {
    take_elif(rest.view(), word == "elifdef", place);
  }
  return true;
}

void LineReader::take_else(Place place) {
  Conditional& conditional = conditionals_.back();
  if (conditional.saw_else) diagnostics_.error(place, "a second .else");
  conditional.saw_else = true;
  conditional.branch = conditional.branch == Branch::waiting ? Branch::taken : Branch::done;
}

void LineReader::take_elif(std::string_view argument, bool wanted, Place place) {
  Conditional& conditional = conditionals_.back();
  if (conditional.saw_else) diagnostics_.error(place, ".elifdef or .elifndef after .else");
  if (conditional.branch == Branch::taken) conditional.branch = Branch::done;
  if (conditional.branch == Branch::done) return;
  if (macros_.occurs_in(argument) == wanted) conditional.branch = Branch::taken;
}

void LineReader::take_include(const LocatedText& argument, Place place, bool must_exist) {
  std::optional<QuoteProblem> problem;
  const LocatedText name = unquote(argument, problem);
  if (problem) {
    diagnostics_.error(argument.at(problem->offset), problem->message);
    return;
  }
  if (name.empty()) {
    diagnostics_.error(place, "the name of the included file is missing");
    return;
  }
  const bool absolute = name.view().starts_with('/');
  const std::string directory = stack_.empty() ? std::string() : stack_.back().directory;
  open(absolute ? name.text() : directory + name.text(), argument.begin_place(), must_exist);
}

bool LineReader::open(const std::string& path, Place from, bool must_exist) {
  if (stack_.size() >= kIncludeDepthMax || files_opened_ >= kIncludedFilesMax) {
    diagnostics_.error(from, "too many included files, or files that include each other");
    stopped_ = true;
    return false;
  }
  Result<std::string> text = files_.read(path);
  if (!text) {
    if (!must_exist && text.error().code() == Errc::not_found) return true;
    diagnostics_.error(from, "cannot read the configuration file " + path + ": " +
                                 std::string(text.error().row().text));
    return false;
  }
  ++files_opened_;
  if (text->size() > kFileBytesMax) {
    diagnostics_.error(from, "the configuration file " + path + " is too long");
    return false;
  }
  const uint32_t source = diagnostics_.sources().add(path, *text);
  stack_.push_back({source, directory_of(path), std::move(text).value(), 0, 0});
  if (stack_.back().text.starts_with(kByteOrderMark)) {
    diagnostics_.error({source, 1, 1}, "the file begins with a byte order mark",
                       "save it as UTF-8 without one");
    stack_.back().text.replace(0, kByteOrderMark.size(), kByteOrderMark.size(), ' ');
  }
  return true;
}

void LineReader::report_unended() {
  for (const Conditional& conditional : conditionals_) {
    diagnostics_.error(conditional.place, ".endif is missing for this condition");
  }
  conditionals_.clear();
}

}  // namespace godwit::config
