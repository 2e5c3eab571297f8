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

bool ListReader::next(std::string& item) {
  while (!rest_.empty() && is_space(rest_.front()) && rest_.front() != separator_) {
    rest_.remove_prefix(1);
  }
  if (rest_.empty()) return false;
  // Nearly always one piece.
  const size_t end = end_of_piece(rest_, separator_);
  if (end + 1 >= rest_.size() || rest_[end + 1] != separator_) {
    size_t length = end;
    while (length > 0 && is_space(rest_[length - 1])) --length;
    item.clear();
    item.append(rest_.data(), length);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return true;
  }
  item.clear();
  const auto byte = static_cast<unsigned char>(separator_);
  const bool is_control = byte < 0x20 || byte == 0x7f;
  while (!rest_.empty()) {
    const size_t at = std::min(rest_.find(separator_), rest_.size());
    item += rest_.substr(0, at);
    rest_.remove_prefix(at);
    if (rest_.empty()) break;
    rest_.remove_prefix(1);
    if (rest_.empty() || rest_.front() != separator_ || is_control) break;
    item += separator_;
    rest_.remove_prefix(1);
  }
  while (!item.empty() && is_space(item.back())) item.pop_back();
  return true;
}

void append_list_item(std::string_view item, char separator, bool is_first, std::string& out) {
  if (!is_first) out += separator;
  // An empty item that is not the first is a blank, or it would double the separator.
  if (!is_first && item.empty()) out += ' ';
  while (true) {
    const size_t at = end_of_piece(item, separator);
    if (at == item.size()) break;
    out.append(item, 0, at + 1);
    out += separator;
    item.remove_prefix(at + 1);
  }
  out += item;
}

}  // namespace godwit::acl
