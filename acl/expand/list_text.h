// Lists as text at run time: items out of a string, items into one. The same rules as
// core/config/values.h, for texts that evaluation made. EXIM.md 2.2.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

// Walks a list. The text must outlive the reader.
class ListReader {
 public:
  explicit ListReader(std::string_view list);
  // False at the end. `item` is trimmed, doubled separators are single.
  bool next(std::string& item);
  char separator() const noexcept { return separator_; }

 private:
  std::string_view rest_;
  char separator_ = ':';
};

// Adds `item` to the end of the list in `out`: separators in it are doubled.
void append_list_item(std::string_view item, char separator, bool is_first, std::string& out);

}  // namespace godwit::acl
