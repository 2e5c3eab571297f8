#include "bench/source/reply_reader.h"

#include "core/base/ascii.h"

namespace godwit::bench {
namespace {

constexpr size_t kReplyBytesMax = 64 * 1024;

// -1 where the line is none of a reply.
int code_of(std::string_view line) noexcept {
  if (line.size() < 3 || !is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2])) return -1;
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-') return -1;
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

}  // namespace

void ReplyReader::feed(std::string_view bytes) {
  if (at_ == buffer_.size()) clear();
  buffer_.append(bytes);
}

std::optional<ServerReply> ReplyReader::next() {
  for (;;) {
    const size_t end = buffer_.find('\n', scanned_);
    if (end == std::string::npos) {
      if (buffer_.size() - at_ > kReplyBytesMax) return ServerReply{};
      return std::nullopt;
    }
    std::string_view line = std::string_view(buffer_).substr(scanned_, end - scanned_);
    if (line.ends_with('\r')) line.remove_suffix(1);
    scanned_ = end + 1;
    const int code = code_of(line);
    if (code >= 0 && line.size() > 3 && line[3] == '-') continue;
    const std::string_view text = std::string_view(buffer_).substr(at_, scanned_ - at_);
    at_ = scanned_;
    return ServerReply{code < 0 ? 0 : code, text};
  }
}

void ReplyReader::clear() noexcept {
  buffer_.clear();
  at_ = 0;
  scanned_ = 0;
}

}  // namespace godwit::bench
