#include "acl/expand/list_text.h"

#include "core/base/ascii.h"
#include "core/config/values.h"

#include <algorithm>

namespace godwit::acl {
namespace {

// Where `separator` stands, or the end. Most items are shorter than what a call is worth.
size_t end_of_piece(std::string_view text, char separator) {
  constexpr size_t kShort = 16;
  const size_t close = std::min(text.size(), kShort);
  for (size_t at = 0; at < close; ++at) {
    if (text[at] == separator) return at;
  }
  return std::min(text.find(separator, close), text.size());
}

}  // namespace

ListReader::ListReader(std::string_view list) {
  size_t start = 0;
  separator_ = config::list_separator(list, start);
  rest_ = list.substr(start);
}

bool ListReader::next(std::string_view& item) {
  const char* at = rest_.data();
  const char* const close = at + rest_.size();
  while (at != close && is_space(*at) && *at != separator_) ++at;
  rest_ = {at, close};
  if (at == close) return false;
  const char* end = at + end_of_piece(rest_, separator_);
  if (close - end > 1 && end[1] == separator_) {
    item = join_pieces();
    return true;
  }
  // Nearly always one piece.
  rest_ = {end == close ? end : end + 1, close};
  while (end != at && is_space(end[-1])) --end;
  item = {at, end};
  return true;
}

// The pieces that doubled separators part.
std::string_view ListReader::join_pieces() {
  joined_.clear();
  const auto byte = static_cast<unsigned char>(separator_);
  const bool is_control = byte < 0x20 || byte == 0x7f;
  while (!rest_.empty()) {
    const size_t at = std::min(rest_.find(separator_), rest_.size());
    joined_ += rest_.substr(0, at);
    rest_.remove_prefix(at);
    if (rest_.empty()) break;
    rest_.remove_prefix(1);
    if (rest_.empty() || rest_.front() != separator_ || is_control) break;
    joined_ += separator_;
    rest_.remove_prefix(1);
  }
  return trim_right(joined_);
}

void ListWriter::add(std::string_view item) {
  begin_item();
  if (needs_blank(item)) out_ += ' ';
  if (end_of_piece(item, separator_) == item.size()) {
    out_ += item;
  } else {
    add_doubled(item);
  }
  is_empty_ = false;
}

void ListWriter::end_item() {
  const std::string_view item = std::string_view(out_).substr(begin_);
  if (item.empty() || end_of_piece(item, separator_) != item.size()) {
    const std::string single(item);
    out_.resize(begin_);
    if (needs_blank(single)) out_ += ' ';
    add_doubled(single);
  }
  is_empty_ = false;
}

void ListWriter::add_doubled(std::string_view item) {
  for (char c : item) out_.append(c == separator_ ? 2 : 1, c);
}

}  // namespace godwit::acl
