// HeaderScanner: one pass over a message in chunks of any size; finds the end of the header
// section, where each field is, and what must be known before the message is accepted.
// Used by: the SMTP server engine (limits), the spool writer, `sendmail -t`.
// Lifetime: keeps no bytes of the message, except a field name that a chunk cuts.
// Errors: a limit that was passed is a verdict, not an exception; scanning goes on to the end.
#pragma once

#include "protocol/message/header_fields.h"
#include "protocol/message/limits.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::message {

struct HeaderLimits {
  uint64_t header_bytes_max = 1024 * 1024;  // header_maxsize; 0: no limit
  uint64_t line_bytes_max = 0;  // header_line_maxsize, a whole folded field; 0: no limit
  uint32_t received_max = 30;   // received_headers_max; 0: no limit
};

enum class HeaderVerdict : uint8_t {
  good,
  too_long,           // "Message header is ridiculously long"
  line_too_long,      // "A message header line is too long"
  too_many_received,  // "Too many "Received" headers - suspected mail loop"
  not_terminated,     // the message ended inside a header line
};

// Where a field stands, in bytes from the start of the message.
struct FieldPlace {
  uint64_t offset = 0;
  uint32_t bytes = 0;       // with folding and the final line end
  uint16_t name_bytes = 0;  // up to the colon, without blanks before it
  FieldKind kind = FieldKind::other;
};

class HeaderScanner {
 public:
  explicit HeaderScanner(const HeaderLimits& limits = {}) : limits_(limits) {}

  // The next bytes of the message. Lines end in LF, with or without CR before it.
  void feed(std::string_view bytes);
  // The message is over; completes the last field.
  void finish();

  HeaderVerdict verdict() const noexcept { return verdict_; }
  // The empty line was seen, or a line that cannot be a header field (which starts the body).
  bool header_ended() const noexcept { return ended_; }
  // Bytes of the fields; without the empty line.
  uint64_t header_bytes() const noexcept { return header_bytes_; }
  // Where the body starts; meaningful once header_ended().
  uint64_t body_offset() const noexcept { return body_offset_; }
  uint64_t message_bytes() const noexcept { return offset_; }
  // Lines after the header section; an unfinished last line counts.
  uint64_t body_lines() const noexcept { return body_lines_ + (body_line_open_ ? 1u : 0u); }
  // The longest line of the message, without its line end.
  uint64_t line_bytes_longest() const noexcept { return line_longest_; }
  uint64_t zero_bytes() const noexcept { return zero_bytes_; }
  bool has_8bit() const noexcept { return has_8bit_; }

  uint32_t count(FieldKind kind) const noexcept { return counts_[static_cast<size_t>(kind)]; }
  bool has(FieldKind kind) const noexcept { return count(kind) != 0; }
  bool has_resent() const noexcept { return resent_; }
  // In order, at most kIndexedFieldsMax.
  const std::vector<FieldPlace>& fields() const noexcept { return fields_; }
  bool fields_complete() const noexcept { return fields_complete_; }

 private:
  enum class State : uint8_t { line_start, name, field, body };

  size_t feed_line_start(std::string_view bytes);
  size_t feed_name(std::string_view bytes);
  size_t feed_field(std::string_view bytes);
  void feed_body(std::string_view bytes);
  void start_field();
  void check_lengths(uint64_t end);
  void close_field(uint64_t end);
  void end_header(uint64_t header_end, uint64_t body_offset);
  void count_line(std::string_view bytes, bool has_end);
  void fail(HeaderVerdict verdict) {
    if (verdict_ == HeaderVerdict::good) verdict_ = verdict;
  }

  HeaderLimits limits_;
  State state_ = State::line_start;
  HeaderVerdict verdict_ = HeaderVerdict::good;
  bool ended_ = false;
  bool resent_ = false;
  bool has_8bit_ = false;
  bool field_open_ = false;
  bool body_line_open_ = false;
  bool cr_pending_ = false;  // a chunk ended in the CR of what may be the empty line
  bool fields_complete_ = true;
  bool line_ends_in_cr_ = false;
  uint64_t offset_ = 0;  // bytes fed
  uint64_t header_bytes_ = 0;
  uint64_t body_offset_ = 0;
  uint64_t body_lines_ = 0;
  uint64_t line_bytes_ = 0;  // of the line that is being read
  uint64_t line_longest_ = 0;
  uint64_t zero_bytes_ = 0;
  FieldPlace field_;
  std::string name_;
  std::array<uint32_t, kFieldKindCount> counts_{};
  std::vector<FieldPlace> fields_;
};

// The fields as views into `header`, which is the start of the message that was scanned; with
// Exim's type letters. At most kIndexedFieldsMax (see fields_complete).
std::vector<HeaderField> header_fields(const HeaderScanner& scanner, std::string_view header);

}  // namespace godwit::message
