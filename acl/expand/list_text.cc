#include "acl/expand/list_text.h"

#include "core/base/ascii.h"
#include "core/config/values.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

namespace godwit::acl {
namespace {

// Where `separator` stands, or the end. Most items are shorter than what a call is worth.
const char* end_of_piece(const char* at, const char* end, char separator) {
  constexpr ptrdiff_t kShort = 16;
  for (const char* const near = at + std::min(kShort, end - at); at != near; ++at) {
    if (*at == separator) return at;
  }
  if (at == end) return end;
  const void* found = std::memchr(at, separator, static_cast<size_t>(end - at));
  return found == nullptr ? end : static_cast<const char*>(found);
}

bool has(std::string_view text, char separator) {
  const char* const end = text.data() + text.size();
  return end_of_piece(text.data(), end, separator) != end;
}

}  // namespace

ListReader::ListReader(std::string_view list) {
  size_t start = 0;
  separator_ = config::list_separator(list, start);
  at_ = list.data() + start;
  end_ = list.data() + list.size();
}

ListReader::ListReader(const Sequence& sequence, std::string_view value) {
  if (sequence.size() == 1 && sequence.front().run == run_literal && sequence.front().data) {
    known_ = static_cast<const ListItems*>(sequence.front().data.get());
    separator_ = known_->separator;
  } else {
    *this = ListReader(value);
  }
}

void keep_items(Sequence& sequence) {
  if (sequence.size() != 1 || sequence.front().run != run_literal) return;
  ListReader reader(sequence.front().text);
  auto known = std::make_shared<ListItems>();
  known->separator = reader.separator();
  for (std::string_view item; reader.next(item);) known->items.emplace_back(item);
  sequence.front().data = std::move(known);
}

bool check_list(Parser&, Node& node) {
  keep_items(node.parts[0]);
  return true;
}

bool ListReader::split(std::string_view& item) {
  const char* at = at_;
  const char* const close = end_;
  while (at != close && is_space(*at) && *at != separator_) ++at;
  if (at == close) {
    at_ = at;
    return false;
  }
  const char* end = end_of_piece(at, close, separator_);
  is_joined_ = close - end > 1 && end[1] == separator_;
  if (is_joined_) {
    item = join_pieces(at);
    return true;
  }
  // Nearly always one piece.
  at_ = end == close ? end : end + 1;
  while (end != at && is_space(end[-1])) --end;
  item = {at, end};
  return true;
}

// The pieces from `at` on that doubled separators part.
std::string_view ListReader::join_pieces(const char* at) {
  joined_.clear();
  const auto byte = static_cast<unsigned char>(separator_);
  const bool is_control = byte < 0x20 || byte == 0x7f;
  while (at != end_) {
    const char* const end = end_of_piece(at, end_, separator_);
    joined_.append(at, end);
    at = end;
    if (at == end_ || ++at == end_ || *at != separator_ || is_control) break;
    joined_ += separator_;
    ++at;
  }
  at_ = at;
  return trim_right(joined_);
}

void ListWriter::add(std::string_view item) {
  begin_item();
  if (needs_blank(item)) out_ += ' ';
  if (has(item, separator_)) {
    add_doubled(item);
  } else {
    out_ += item;
  }
  is_empty_ = false;
}

void ListWriter::end_item() {
  const std::string_view item = std::string_view(out_).substr(begin_);
  if (item.empty() || has(item, separator_)) {
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
