#include "acl/lookup/resp.h"

#include "acl/lookup/limits.h"
#include "core/base/ascii.h"

#include <utility>

namespace godwit::acl {
namespace {

constexpr size_t kLineBytesMax = 64 * 1024;
constexpr size_t kBufferKeptBytes = 256 * 1024;
static_assert(kLineBytesMax < kAnswerBytesMax);

}  // namespace

void RespReader::feed(std::string_view bytes) {
  if (at_ > 0) buffer_.erase(0, at_);
  at_ = 0;
  buffer_ += bytes;
}

std::optional<RespReply> RespReader::next() {
  while (!failed_) {
    const Step step = take_item();
    if (step == Step::failed) failed_ = true;
    if (step == Step::more) {
      if (at_ == buffer_.size() && buffer_.capacity() > kBufferKeptBytes) {
        std::string().swap(buffer_);
        at_ = 0;
      }
      return std::nullopt;
    }
    if (step == Step::done && depth_ == 0) {
      has_leaf_ = false;
      return std::exchange(reply_, {});
    }
  }
  return std::nullopt;
}

bool RespReader::take_line(std::string_view& line) {
  const std::string_view unread = std::string_view(buffer_).substr(at_);
  const size_t end = unread.substr(0, kLineBytesMax).find("\r\n");
  if (end == std::string_view::npos) {
    if (unread.size() >= kLineBytesMax) failed_ = true;
    return false;
  }
  line = unread.substr(0, end);
  at_ += end + 2;
  return true;
}

RespReader::Step RespReader::take_item() {
  const size_t begin = at_;
  std::string_view line;
  if (!take_line(line)) return failed_ ? Step::failed : Step::more;
  if (line.empty()) return Step::failed;
  const std::string_view text = line.substr(1);
  using Kind = RespReply::Kind;
  switch (line.front()) {
    case '+':
      add_leaf(Kind::text, text);
      return leave_full_arrays();
    case '-':
      add_leaf(Kind::error, text);
      return leave_full_arrays();
    case ':':
      if (!parse_decimal(text.starts_with('-') ? text.substr(1) : text)) return Step::failed;
      add_leaf(Kind::integer, text);
      return leave_full_arrays();
    case '*':
      return begin_array(text);
    case '$': {
      const Step step = take_bulk(text);
      if (step == Step::more) at_ = begin;
      return step;
    }
    default:
      return Step::failed;
  }
}

RespReader::Step RespReader::take_bulk(std::string_view length) {
  if (length == "-1") {
    add_leaf(RespReply::Kind::nil, {});
    return leave_full_arrays();
  }
  const std::optional<uint64_t> bytes = parse_decimal(length);
  if (!bytes || *bytes > kAnswerBytesMax - reply_.text.size()) return Step::failed;
  const std::string_view unread = std::string_view(buffer_).substr(at_);
  if (unread.size() < *bytes + 2) return Step::more;
  if (unread.substr(*bytes, 2) != "\r\n") return Step::failed;
  add_leaf(RespReply::Kind::text, unread.substr(0, *bytes));
  at_ += *bytes + 2;
  return leave_full_arrays();
}

RespReader::Step RespReader::begin_array(std::string_view length) {
  if (length == "-1") {
    add_leaf(RespReply::Kind::nil, {});
    return leave_full_arrays();
  }
  const std::optional<uint64_t> elements = parse_decimal(length);
  if (!elements || *elements > kAnswerBytesMax || depth_ == kDepthMax) return Step::failed;
  reply_.kind = RespReply::Kind::array;
  if (*elements == 0) return leave_full_arrays();
  left_[depth_++] = *elements;
  return Step::done;
}

void RespReader::add_leaf(RespReply::Kind kind, std::string_view text) {
  if (depth_ == 0) reply_.kind = kind;
  if (has_leaf_) reply_.text += '\n';
  has_leaf_ = true;
  reply_.text += text;
}

RespReader::Step RespReader::leave_full_arrays() {
  if (reply_.text.size() > kAnswerBytesMax) return Step::failed;
  while (depth_ > 0 && --left_[depth_ - 1] == 0) --depth_;
  return Step::done;
}

void append_resp_command(std::string& out, const std::vector<std::string>& words) {
  out += '*';
  append_decimal(out, words.size());
  out += "\r\n";
  for (const std::string& word : words) {
    out += '$';
    append_decimal(out, word.size());
    out += "\r\n";
    out += word;
    out += "\r\n";
  }
}

std::vector<std::string> split_redis_command(std::string_view query) {
  std::vector<std::string> words;
  bool in_word = false;
  for (size_t i = 0; i < query.size(); ++i) {
    if (is_space(query[i])) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (query[i] == '\\' && i + 1 < query.size()) ++i;
    words.back() += query[i];
  }
  return words;
}

}  // namespace godwit::acl
