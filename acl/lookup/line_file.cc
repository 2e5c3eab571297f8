#include "acl/lookup/line_file.h"

#include "acl/lookup/limits.h"
#include "core/base/ascii.h"

#include <bit>

namespace godwit::acl {
namespace {

static_assert(kTextFileBytesMax < UINT32_MAX, "offsets are of 32 bits");

size_t hash_key(std::string_view key) noexcept {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : key) {
    hash = (hash ^ static_cast<uint8_t>(to_lower(c))) * 0x100000001b3;
  }
  return static_cast<size_t>(hash ^ (hash >> 32));
}

// Takes what follows a backslash off `text`: one of the letters, up to three octal or two
// hexadecimal digits, or the character itself.
char take_escape(std::string_view& text) noexcept {
  const char c = text.front();
  text.remove_prefix(1);
  constexpr std::string_view kLetters = "bfnrtv";
  constexpr std::string_view kMeanings = "\b\f\n\r\t\v";
  const size_t letter = kLetters.find(c);
  if (letter != std::string_view::npos) return kMeanings[letter];
  const bool octal = c >= '0' && c <= '7';
  if (!octal && c != 'x') return c;
  unsigned value = octal ? static_cast<unsigned>(c - '0') : 0;
  for (int digits = octal ? 1 : 0; digits < (octal ? 3 : 2) && !text.empty(); ++digits) {
    const char digit = text.front();
    if (octal ? digit < '0' || digit > '7' : !is_hex(digit)) break;
    value = value * (octal ? 8 : 16) + static_cast<unsigned>(hex_value(digit));
    text.remove_prefix(1);
  }
  return static_cast<char>(value);
}

// Takes the key off `line` and appends it to `out`.
void take_key(std::string_view& line, std::string& out) {
  if (!line.starts_with('"')) {
    size_t end = 0;
    while (end < line.size() && line[end] != ':' && !is_space(line[end])) ++end;
    out += line.substr(0, end);
    line.remove_prefix(end);
    return;
  }
  line.remove_prefix(1);
  while (!line.empty() && line.front() != '"') {
    const char c = line.front();
    line.remove_prefix(1);
    out += c == '\\' && !line.empty() ? take_escape(line) : c;
  }
  if (!line.empty()) line.remove_prefix(1);
}

}  // namespace

Result<LineFile> LineFile::parse(std::string bytes, const std::string&) {
  LineFile file;
  file.text_.reserve(bytes.size());
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    file.add_line(trim_right(rest.substr(0, end)));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  file.build_index();
  return file;
}

void LineFile::add_line(std::string_view line) {
  if (line.empty() || line.front() == '#') return;
  if (is_space(line.front())) {
    if (entries_.empty()) return;
    text_ += ' ';
    text_ += trim_left(line);
    entries_.back().end = static_cast<uint32_t>(text_.size());
    return;
  }
  Entry entry;
  entry.begin = static_cast<uint32_t>(text_.size());
  take_key(line, text_);
  entry.key_bytes = static_cast<uint32_t>(text_.size()) - entry.begin;
  std::string_view data = trim_left(line);
  if (data.starts_with(':')) data = trim_left(data.substr(1));
  entry.data = static_cast<uint32_t>(text_.size() + line.size() - data.size());
  text_ += line;
  entry.end = static_cast<uint32_t>(text_.size());
  entries_.push_back(entry);
}

void LineFile::build_index() {
  if (entries_.empty()) return;
  slots_.assign(std::bit_ceil(entries_.size() * 2), 0);
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < entries_.size(); ++i) {
    size_t at = hash_key(key(i)) & mask;
    while (slots_[at] != 0 && !equals_ignore_case(key(slots_[at] - 1), key(i)))
      at = (at + 1) & mask;
    if (slots_[at] == 0) slots_[at] = static_cast<uint32_t>(i + 1);
  }
}

size_t LineFile::find(std::string_view wanted) const noexcept {
  if (slots_.empty()) return size();
  const size_t mask = slots_.size() - 1;
  size_t at = hash_key(wanted) & mask;
  while (slots_[at] != 0) {
    const size_t entry = slots_[at] - 1;
    if (equals_ignore_case(key(entry), wanted)) return entry;
    at = (at + 1) & mask;
  }
  return size();
}

}  // namespace godwit::acl
