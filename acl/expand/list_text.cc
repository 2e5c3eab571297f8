#include "acl/expand/list_text.h"

#include "core/base/ascii.h"
#include "core/config/values.h"

#include <algorithm>

namespace godwit::acl {

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
  for (char c : item) out.append(c == separator ? 2 : 1, c);
}

}  // namespace godwit::acl
