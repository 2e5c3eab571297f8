#include "protocol/smtp/reply_parser.h"

#include "core/base/ascii.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/reply.h"

#include <algorithm>
#include <utility>

namespace godwit::smtp {
namespace {

constexpr size_t kCodeDigits = 3;

// RFC 5321 4.2: 2 to 5, 0 to 5, any digit. The middle digit is not held against a server.
uint16_t parse_code(std::string_view line) noexcept {
  if (line.size() < kCodeDigits || line[0] < '2' || line[0] > '5') return 0;
  unsigned code = 0;
  for (size_t at = 0; at < kCodeDigits; ++at) {
    if (!is_digit(line[at])) return 0;
    code = code * 10 + static_cast<unsigned>(line[at] - '0');
  }
  return static_cast<uint16_t>(code);
}

}  // namespace

std::string ServerReply::full_text() const {
  std::string out;
  std::string_view rest = text;
  while (true) {
    const size_t end = rest.find('\n');
    const bool last = end == std::string_view::npos;
    append_decimal(out, code);
    out.push_back(last ? ' ' : '-');
    out.append(rest.substr(0, end));
    if (last) return out;
    out.push_back('\n');
    rest.remove_prefix(end + 1);
  }
}

void ServerReply::clear() {
  code = 0;
  text.clear();
  enhanced.clear();
}

size_t ReplyParser::feed(std::string_view bytes) {
  size_t used = 0;
  while (state_ == State::incomplete && used < bytes.size()) {
    const std::string_view rest = bytes.substr(used);
    const size_t end = rest.find('\n');
    const size_t piece = end == std::string_view::npos ? rest.size() : end + 1;
    // A line over the bound is cut to show it; nothing more of it is kept.
    const size_t room = kReplyLineBytesMax + 1 - line_.size();
    line_.append(rest.substr(0, std::min(piece, room)));
    used += piece;
    size_ += piece;
    if (line_.size() > kReplyLineBytesMax) {
      fail("reply line is too long", line_);
    } else if (size_ > kReplyBytesMax) {
      fail("reply is too long", line_);
    } else if (end != std::string_view::npos) {
      end_line();
    }
  }
  return used;
}

void ReplyParser::end_line() {
  std::string_view line = line_;
  line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  const uint16_t code = parse_code(line);
  const char mark = line.size() > kCodeDigits ? line[kCodeDigits] : ' ';
  if (code == 0 || (mark != ' ' && mark != '-')) return fail("malformed reply", line);
  if (!first_line_ && code != reply_.code) return fail("reply code changes between lines", line);
  const std::string_view text = line.substr(std::min(line.size(), kCodeDigits + 1));
  if (first_line_) {
    reply_.clear();
    reply_.code = code;
    const std::string_view enhanced = leading_enhanced_status(text);
    if (!enhanced.empty() && enhanced.front() == line.front()) reply_.enhanced = enhanced;
  } else {
    reply_.text.push_back('\n');
  }
  reply_.text += escape_control(text);
  first_line_ = false;
  line_.clear();
  if (mark == ' ') state_ = State::complete;
}

void ReplyParser::fail(std::string_view why, std::string_view shown) {
  malformed_ = escape_control(trim_right(shown.substr(0, kMalformedShownBytesMax)));
  problem_ = why;
  problem_ += ": \"";
  problem_ += malformed_;
  problem_ += '"';
  line_.clear();
  state_ = State::malformed;
}

ServerReply ReplyParser::take() {
  state_ = State::incomplete;
  first_line_ = true;
  size_ = 0;
  return std::exchange(reply_, ServerReply());
}

}  // namespace godwit::smtp
