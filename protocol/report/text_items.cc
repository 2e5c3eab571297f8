#include "protocol/report/text_items.h"

namespace godwit::report {
namespace {

bool is_separator(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  return line == "****";
}

}  // namespace

std::vector<std::string_view> split_text_items(std::string_view text) {
  std::vector<std::string_view> items;
  size_t begin = 0;
  for (size_t at = 0; at < text.size() && items.size() < kTextItemsMax;) {
    const size_t end = text.find('\n', at);
    const size_t next = end == std::string_view::npos ? text.size() : end + 1;
    if (is_separator(text.substr(at, next - at))) {
      items.push_back(text.substr(begin, at - begin));
      begin = next;
    }
    at = next;
  }
  if (items.size() < kTextItemsMax) items.push_back(text.substr(begin));
  return items;
}

}  // namespace godwit::report
