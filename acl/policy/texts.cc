// The texts inside ACL modifiers: reply codes, headers, log targets.
#include "acl/policy/run.h"
#include "core/base/ascii.h"

#include <algorithm>
#include <array>

namespace godwit::acl {
namespace {

struct TargetName {
  std::string_view name;
  LogTarget target;
};
constexpr auto kTargets = std::to_array<TargetName>({
    {"main", LogTarget::main},
    {"panic", LogTarget::panic},
    {"reject", LogTarget::reject},
});

struct PositionName {
  std::string_view prefix;
  HeaderAddition::Position position;
};
constexpr auto kPositions = std::to_array<PositionName>({
    {":after_received:", HeaderAddition::Position::after_received},
    {":at_end:", HeaderAddition::Position::at_end},
    {":at_start:", HeaderAddition::Position::at_start},
    {":at_start_rfc:", HeaderAddition::Position::before_other_headers},
});

char class_digit(AclVerdict verdict) {
  switch (verdict) {
    case AclVerdict::accept:
    case AclVerdict::discard:
      return '2';
    case AclVerdict::defer:
      return '4';
    case AclVerdict::deny:
    case AclVerdict::drop:
      return '5';
  }
  return '5';
}

// "5.7.1 " at the start of `text`: its length without the blank, or 0.
size_t enhanced_length(std::string_view text) {
  size_t i = 0;
  for (int part = 0; part < 3; ++part) {
    const size_t begin = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    const size_t digits = i - begin;
    if (digits == 0 || digits > (part == 0 ? 1u : 3u)) return 0;
    if (part < 2 && (i >= text.size() || text[i++] != '.')) return 0;
  }
  return i < text.size() && is_blank(text[i]) ? i : 0;
}

bool has_header_name(std::string_view line) {
  size_t i = 0;
  while (i < line.size() && line[i] > ' ' && line[i] < 0x7f && line[i] != ':') ++i;
  const size_t name = i;
  while (i < line.size() && is_blank(line[i])) ++i;
  return name > 0 && i < line.size() && line[i] == ':';
}

}  // namespace

void take_reply_code(AclVerdict verdict, std::string& message, int& code, std::string& enhanced,
                     std::string& problem) {
  const std::string_view text = message;
  const bool has_code = text.size() > 3 && is_digit(text[0]) && is_digit(text[1]) &&
                        is_digit(text[2]) && is_blank(text[3]) && text[0] >= '2' && text[0] <= '5';
  if (!has_code) return;
  std::string_view rest = trim_left(text.substr(3));
  const size_t length = enhanced_length(rest);
  const std::string_view status = rest.substr(0, length);
  rest = trim_left(rest.substr(length));
  if (text[0] != class_digit(verdict)) {
    problem = std::string("configured error code starts with incorrect digit (expected ") +
              class_digit(verdict) + ") in \"" + message + "\"";
  } else {
    code = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    if (length > 0 && status.front() == text[0]) enhanced = std::string(status);
  }
  message = std::string(rest);
}

namespace {

constexpr size_t kReplyLineBytes = 75;     // longer lines are cut
constexpr size_t kReplyLineBytesMin = 36;  // no cut before, where there is a choice

// Where to cut a line that is too long: the last blank behind a colon, else the last blank, else
// the next one. npos: nowhere.
size_t cut_of(std::string_view line) {
  size_t last = std::string_view::npos;
  for (size_t i = kReplyLineBytes; i >= kReplyLineBytesMin; --i) {
    if (line[i] != ' ') continue;
    if (line[i - 1] == ':') return i;
    if (last == std::string_view::npos) last = i;
  }
  return last != std::string_view::npos ? last : line.find(' ', kReplyLineBytes);
}

}  // namespace

std::string reply_lines(std::string_view text) {
  std::string out;
  const auto add = [&out](std::string_view line) {
    if (trim(line).empty()) return;
    if (!out.empty()) out += '\n';
    out += line;
  };
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    while (line.size() > kReplyLineBytes) {
      const size_t cut = cut_of(line);
      if (cut == std::string_view::npos) break;
      add(line.substr(0, cut));
      line.remove_prefix(cut + 1);
    }
    add(line);
  }
  return out;
}

namespace {

// Takes ":at_start:" and its kin off `line`.
HeaderAddition::Position take_position(std::string_view& line) {
  for (const PositionName& row : kPositions) {
    if (!line.starts_with(row.prefix)) continue;
    line = trim_left(line.substr(row.prefix.size()));
    return row.position;
  }
  return HeaderAddition::Position::at_end;
}

}  // namespace

std::vector<HeaderAddition> parse_added_headers(std::string_view value) {
  std::vector<HeaderAddition> out;
  std::string_view rest = trim_left(value);
  while (!rest.empty()) {
    // A line that begins with a blank continues the header before it.
    size_t end = rest.find('\n');
    while (end != std::string_view::npos && end + 1 < rest.size() && is_blank(rest[end + 1])) {
      end = rest.find('\n', end + 1);
    }
    std::string_view line = trim_right(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const HeaderAddition::Position position = take_position(line);
    if (line.empty()) continue;
    std::string text = has_header_name(line) ? "" : "X-ACL-Warn: ";
    // A carriage return could end the header section in the eyes of another program.
    std::copy_if(line.begin(), line.end(), std::back_inserter(text),
                 [](char c) { return c != '\r' && c != '\0'; });
    out.push_back({position, std::move(text)});
  }
  return out;
}

void add_headers(AclRun& run, std::string_view value) {
  std::vector<std::string>& known = run.context().headers_added;
  for (HeaderAddition& header : parse_added_headers(value)) {
    if (std::find(known.begin(), known.end(), header.text) != known.end()) continue;
    known.push_back(header.text);
    run.effects().headers_added.push_back(std::move(header));
  }
}

LogFiles log_files_of(uint8_t targets) noexcept {
  const auto has = [targets](LogTarget target) {
    return (targets & static_cast<uint8_t>(target)) != 0;
  };
  unsigned files = 0;
  if (has(LogTarget::main)) files |= static_cast<unsigned>(LogFiles::main);
  if (has(LogTarget::reject)) files |= static_cast<unsigned>(LogFiles::reject);
  if (has(LogTarget::panic)) files |= static_cast<unsigned>(LogFiles::panic);
  return static_cast<LogFiles>(files);
}

std::optional<uint8_t> parse_log_targets(std::string_view text, char separator) noexcept {
  uint8_t targets = 0;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    const std::string_view word = trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (word.empty()) continue;
    const auto row = std::find_if(kTargets.begin(), kTargets.end(),
                                  [&](const TargetName& target) { return target.name == word; });
    if (row == kTargets.end()) return std::nullopt;
    targets = static_cast<uint8_t>(targets | static_cast<uint8_t>(row->target));
  }
  return targets;
}

}  // namespace godwit::acl
