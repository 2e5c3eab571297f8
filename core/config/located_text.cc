#include "core/config/located_text.h"

#include "core/base/ascii.h"

#include <algorithm>

namespace godwit::config {

LocatedText::LocatedText(std::string text, Place place) : text_(std::move(text)) {
  spans_.push_back({0, place, false});
}

Place LocatedText::at(size_t offset) const noexcept {
  offset = std::min(offset, text_.size());
  const auto after =
      std::upper_bound(spans_.begin(), spans_.end(), offset,
                       [](size_t wanted, const Span& span) { return wanted < span.offset; });
  if (after == spans_.begin()) return {};
  const Span& span = *std::prev(after);
  Place place = span.place;
  if (!span.fixed && place.line != 0) place.column += static_cast<uint32_t>(offset - span.offset);
  return place;
}

LocatedText LocatedText::substr(size_t offset, size_t length) const {
  LocatedText out;
  if (offset > text_.size()) return out;
  length = std::min(length, text_.size() - offset);
  out.text_ = text_.substr(offset, length);
  for (size_t i = 0; i < spans_.size(); ++i) {
    const size_t begin = spans_[i].offset;
    const size_t end = i + 1 < spans_.size() ? spans_[i + 1].offset : text_.size() + 1;
    if (end <= offset || begin > offset + length) continue;
    const size_t first = std::max(begin, offset);
    out.spans_.push_back({static_cast<uint32_t>(first - offset), at(first), spans_[i].fixed});
  }
  return out;
}

LocatedText LocatedText::trimmed() const {
  const std::string_view whole = text_;
  const std::string_view left = trim_left(whole);
  return substr(whole.size() - left.size(), trim_right(left).size());
}

void LocatedText::append(std::string_view text, Place place) {
  if (text.empty()) return;
  add_span(place, false);
  text_ += text;
}

void LocatedText::append_fixed(std::string_view text, Place place) {
  if (text.empty()) return;
  add_span(place, true);
  text_ += text;
}

void LocatedText::append(const LocatedText& other) {
  const auto base = static_cast<uint32_t>(text_.size());
  for (const Span& span : other.spans_) {
    spans_.push_back({base + span.offset, span.place, span.fixed});
  }
  if (other.spans_.empty() && !other.text_.empty()) spans_.push_back({base, Place{}, true});
  text_ += other.text_;
}

void LocatedText::clear() {
  text_.clear();
  spans_.clear();
}

void LocatedText::add_span(Place place, bool fixed) {
  // A byte that follows the one before it on its line needs no span of its own.
  if (!fixed && !spans_.empty() && !spans_.back().fixed && at(text_.size()) == place) return;
  spans_.push_back({static_cast<uint32_t>(text_.size()), place, fixed});
}

}  // namespace godwit::config
