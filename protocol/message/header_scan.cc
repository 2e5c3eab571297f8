#include "protocol/message/header_scan.h"

#include "core/base/ascii.h"
#include "core/base/byte_walk.h"

#include <algorithm>
#include <cstring>

namespace godwit::message {
namespace {

// Most messages have no more fields.
constexpr size_t kUsualFields = 16;

// Offset just after the first LF, or npos.
size_t find_line_end(std::string_view bytes) noexcept {
  const size_t at = bytes.find('\n');
  return at == std::string_view::npos ? at : at + 1;
}

// Without a way out of the loop the compiler takes as many bytes at once as a register holds.
bool any_8bit(std::string_view bytes) noexcept {
  unsigned char all = 0;
  for (const char c : bytes) all |= static_cast<unsigned char>(c);
  return all >= 0x80;
}

}  // namespace

void HeaderScanner::feed(std::string_view bytes) {
  if (!has_8bit_) has_8bit_ = any_8bit(bytes);
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at != end) {
    at = static_cast<const char*>(std::memchr(at, '\0', static_cast<size_t>(end - at)));
    if (at == nullptr) break;
    ++zero_bytes_;
    ++at;
  }
  while (!bytes.empty()) {
    size_t used = 0;
    switch (state_) {
      case State::line_start:
        used = feed_line_start(bytes);
        break;
      case State::name:
        used = feed_name(bytes);
        break;
      case State::field:
        used = feed_field(bytes);
        break;
      case State::body:
        feed_body(bytes);
        used = bytes.size();
        break;
    }
    offset_ += used;
    bytes.remove_prefix(used);
  }
}

// At the start of a header line: the empty line, a folded line, or a new field.
size_t HeaderScanner::feed_line_start(std::string_view bytes) {
  const char first = bytes.front();
  if (cr_pending_) {
    cr_pending_ = false;
    if (first == '\n') {
      end_header(offset_ - 1, offset_ + 1);
      return 1;
    }
    // A CR at the start of a line that is not its end: this line is no header field.
    end_header(offset_ - 1, offset_ - 1);
    body_line_open_ = true;
    line_bytes_ = 1;
    return 0;
  }
  if (first == '\n') {
    end_header(offset_, offset_ + 1);
    return 1;
  }
  if (first == '\r') {
    cr_pending_ = true;
    return 1;
  }
  if (is_blank(first) && field_open_) {
    state_ = State::field;
    return 0;
  }
  if (field_open_) close_field(offset_);
  state_ = State::name;
  start_field();
  return 0;
}

size_t HeaderScanner::feed_name(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size(); ++at) {
    const char c = bytes[at];
    if (c == ':') {
      const std::string_view name = trim_right(name_);
      field_.name_bytes = static_cast<uint16_t>(name.size());
      field_.kind = field_kind(name);
      if (name.empty()) break;
      line_bytes_ += at + 1;
      state_ = State::field;
      return at + 1;
    }
    // Blanks may stand between name and colon (RFC 5322 4.5.8), nowhere else.
    // Bytes over 127 are none of RFC 5322; programs that read on after them would see fields that
    // nobody here has looked at.
    const bool is_graphic = static_cast<unsigned char>(c) > ' ' && c != '\x7f';
    const bool legal = (is_graphic && (name_.empty() || !is_blank(name_.back()))) ||
                       (is_blank(c) && !name_.empty());
    if (!legal || name_.size() >= kHeaderFieldNameBytesMax) break;
    name_.push_back(c);
    if (at + 1 == bytes.size()) {
      line_bytes_ += bytes.size();
      return bytes.size();
    }
  }
  // Not a header field: the body starts with this line (as Exim has it). The bytes of the name
  // that were taken so far belong to it.
  const uint64_t line_start = field_.offset;
  field_open_ = false;
  end_header(line_start, line_start);
  body_line_open_ = offset_ > line_start;
  return 0;
}

size_t HeaderScanner::feed_field(std::string_view bytes) {
  const size_t end = find_line_end(bytes);
  if (end == std::string_view::npos) {
    count_line(bytes, false);
    check_lengths(offset_ + bytes.size());
    return bytes.size();
  }
  count_line(bytes.substr(0, end), true);
  state_ = State::line_start;
  return end;
}

void HeaderScanner::feed_body(std::string_view bytes) {
  LineFeedWalk ends(bytes);
  size_t at = 0;
  for (size_t end = ends.next(0); end < bytes.size(); end = ends.next(at)) {
    count_line(bytes.substr(at, end + 1 - at), true);
    ++body_lines_;
    at = end + 1;
  }
  body_line_open_ = at < bytes.size();
  if (body_line_open_) count_line(bytes.substr(at), false);
}

// Adds to the line that is being read. A CR before the LF is not counted.
void HeaderScanner::count_line(std::string_view bytes, bool has_end) {
  if (has_end) bytes.remove_suffix(1);
  line_bytes_ += bytes.size();
  if (!bytes.empty()) line_ends_in_cr_ = bytes.back() == '\r';
  line_longest_ = std::max(line_longest_, line_bytes_ - (line_ends_in_cr_ ? 1u : 0u));
  if (!has_end) return;
  line_bytes_ = 0;
  line_ends_in_cr_ = false;
}

void HeaderScanner::start_field() {
  name_.clear();
  field_ = FieldPlace{};
  field_.offset = offset_;
  field_open_ = true;
}

// The limit that comes first in the message is the verdict, however the message was cut.
void HeaderScanner::check_lengths(uint64_t end) {
  const uint64_t none = UINT64_MAX;
  const uint64_t header_end = limits_.header_bytes_max != 0 ? limits_.header_bytes_max : none;
  const uint64_t field_end =
      limits_.line_bytes_max != 0 ? field_.offset + limits_.line_bytes_max : none;
  if (end <= std::min(header_end, field_end)) return;
  fail(field_end < header_end ? HeaderVerdict::line_too_long : HeaderVerdict::too_long);
}

void HeaderScanner::close_field(uint64_t end) {
  field_open_ = false;
  const uint64_t bytes = end - field_.offset;
  header_bytes_ = end;
  check_lengths(end);
  field_.bytes = static_cast<uint32_t>(std::min<uint64_t>(bytes, UINT32_MAX));
  ++counts_[static_cast<size_t>(field_.kind)];
  resent_ = resent_ || field_row(field_.kind).is_resent;
  if (field_.kind == FieldKind::received && limits_.received_max != 0 &&
      count(FieldKind::received) > limits_.received_max) {
    fail(HeaderVerdict::too_many_received);
  }
  if (fields_.empty()) fields_.reserve(kUsualFields);
  if (fields_.size() < kIndexedFieldsMax) {
    fields_.push_back(field_);
  } else {
    fields_complete_ = false;
  }
}

void HeaderScanner::end_header(uint64_t header_end, uint64_t body_offset) {
  if (field_open_) close_field(header_end);
  ended_ = true;
  body_offset_ = body_offset;
  state_ = State::body;
}

void HeaderScanner::finish() {
  if (state_ == State::body) return;
  if (state_ != State::line_start) fail(HeaderVerdict::not_terminated);
  const uint64_t end = cr_pending_ ? offset_ - 1 : offset_;
  if (state_ == State::name) field_open_ = false;
  end_header(end, end);
}

std::vector<HeaderField> header_fields(const HeaderScanner& scanner, std::string_view header) {
  std::vector<HeaderField> result;
  result.reserve(scanner.fields().size());
  for (const FieldPlace& place : scanner.fields()) {
    if (place.offset + place.bytes > header.size()) break;
    result.push_back({field_row(place.kind).letter, header.substr(place.offset, place.bytes)});
  }
  return result;
}

}  // namespace godwit::message
