// Text of a configuration that knows where each of its bytes came from, through macros, includes
// and continued lines, so that every diagnosis can point into the operator's file.
// Used by the reader and by everything that compiles values (expansions, lists, ACLs). A value
// type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::config {

// Line and column count from 1; line 0 is "no place" (a default, the command line).
struct Place {
  uint32_t file = 0;  // index into Sources
  uint32_t line = 0;
  uint32_t column = 0;
  bool operator==(const Place&) const = default;
};

class LocatedText {
 public:
  LocatedText() = default;
  // Text without a place: a default value, or a string that came up at run time.
  explicit LocatedText(std::string text) : text_(std::move(text)) {}
  // Text whose first byte stands at `place` and whose others follow it on that line.
  LocatedText(std::string text, Place place);

  const std::string& text() const noexcept { return text_; }
  std::string_view view() const noexcept { return text_; }
  size_t size() const noexcept { return text_.size(); }
  bool empty() const noexcept { return text_.empty(); }
  char operator[](size_t offset) const { return text_[offset]; }

  // The place of the byte at `offset`; at or past the end, the place just after the last byte.
  Place at(size_t offset) const noexcept;
  Place begin_place() const noexcept { return at(0); }

  // `length` bytes from `offset`, clipped to what there is.
  LocatedText substr(size_t offset, size_t length = std::string::npos) const;
  // Without white space at both ends.
  LocatedText trimmed() const;

  void append(char c, Place place) { append(std::string_view(&c, 1), place); }
  // Text that stands at `place` and advances with it.
  void append(std::string_view text, Place place);
  // Text that all stands for one place: what a macro was replaced by.
  void append_fixed(std::string_view text, Place place);
  void append(const LocatedText& other);
  void clear();

 private:
  struct Span {
    uint32_t offset;  // of the first byte in text_
    Place place;
    bool fixed;  // every byte of the span has the same place
  };
  void add_span(Place place, bool fixed);

  std::string text_;
  std::vector<Span> spans_;  // ordered by offset
};

}  // namespace godwit::config
