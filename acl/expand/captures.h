// $0 $1 ... of the last match, one behind the other in one text, whose memory is used again. Used
// by evaluators and by what matches for them; a value type.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

class Captures {
 public:
  Captures() = default;
  Captures(std::initializer_list<std::string_view> parts) {
    for (std::string_view part : parts) add(part);
  }

  bool empty() const noexcept { return ends_.empty(); }
  size_t size() const noexcept { return ends_.size(); }
  // A view lasts until the next change.
  std::string_view operator[](size_t index) const noexcept {
    const size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(text_).substr(begin, ends_[index] - begin);
  }

  void clear() noexcept {
    text_.clear();
    ends_.clear();
  }
  // Puts `part`, which is none of those that are here, behind them.
  void add(std::string_view part) {
    text_ += part;
    ends_.push_back(text_.size());
  }
  // `whole` becomes the only one.
  void assign(std::string_view whole) {
    clear();
    add(whole);
  }
  // `whole` becomes the first, in place of the one that is there.
  void replace_first(std::string_view whole) {
    const size_t before = ends_.front();
    text_.replace(0, before, whole);
    for (size_t& end : ends_) end = end - before + whole.size();
  }
  void swap(Captures& other) noexcept {
    text_.swap(other.text_);
    ends_.swap(other.ends_);
  }
  bool operator==(const Captures&) const = default;

 private:
  std::string text_;
  std::vector<size_t> ends_;  // of each in the text
};

}  // namespace godwit::acl
