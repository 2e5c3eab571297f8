// Lists as text at run time: items out of a string, items into one. The same rules as
// core/config/values.h, for texts that evaluation made. EXIM.md 2.2.
#pragma once

#include "acl/expand/node.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

class Parser;

// The items of a list that is constant, split at load.
struct ListItems final : ItemData {
  char separator = ':';
  std::vector<std::string> items;
};
// Splits `sequence` at load, where it is one literal.
void keep_items(Sequence& sequence);
// For rows of items whose first argument is a list.
bool check_list(Parser& parser, Node& node);

// Walks a list. The text must outlive the reader.
class ListReader {
 public:
  explicit ListReader(std::string_view list);
  // The value of `sequence`, whose items may be known.
  ListReader(const Sequence& sequence, std::string_view value);
  // False at the end. `item` is trimmed, doubled separators are single. A view lasts until the next
  // call.
  bool next(std::string_view& item) {
    if (known_ == nullptr) return split(item);
    if (index_ == known_->items.size()) return false;
    item = known_->items[index_++];
    return true;
  }
  // Whether the item that was just read lasts as long as the list.
  bool item_lasts() const noexcept { return !is_joined_; }
  char separator() const noexcept { return separator_; }

 private:
  bool split(std::string_view& item);
  std::string_view join_pieces(const char* at);

  const ListItems* known_ = nullptr;
  size_t index_ = 0;  // of the next of those
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::string joined_;
  char separator_ = ':';
  bool is_joined_ = false;  // the last item stands in joined_
};

// Makes a list at the end of `out`: separators in an item are doubled. An item that is empty or
// begins with the separator has a blank before it, or it would double the one between them.
class ListWriter {
 public:
  ListWriter(std::string& out, char separator) : out_(out), separator_(separator) {}

  void add(std::string_view item);
  // For an item that its maker appends to `out` between the two.
  void begin_item() {
    if (!is_empty_) out_ += separator_;
    begin_ = out_.size();
  }
  void end_item();
  bool is_empty() const noexcept { return is_empty_; }

 private:
  bool needs_blank(std::string_view item) const noexcept {
    return !is_empty_ && (item.empty() || item.front() == separator_);
  }
  void add_doubled(std::string_view item);

  std::string& out_;
  char separator_;
  bool is_empty_ = true;
  size_t begin_ = 0;  // of the item
};

}  // namespace godwit::acl
