#include "bench/sink/message_check.h"

#include "bench/common/crc32c.h"
#include "core/base/ascii.h"

namespace godwit::bench {

void MessageCheck::start() noexcept {
  token_.reset();
  partial_.clear();
  body_bytes_ = total_bytes_ = 0;
  crc_ = 0;
  in_body_ = false;
}

void MessageCheck::feed(std::string_view bytes) {
  total_bytes_ += bytes.size();
  while (!in_body_ && !bytes.empty()) {
    const size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      if (partial_.size() < kLineKeptMax) partial_.append(bytes);
      return;
    }
    const std::string_view line = bytes.substr(0, end + 1);
    bytes.remove_prefix(end + 1);
    if (partial_.empty()) {
      header_line(line);
      continue;
    }
    partial_.append(line);
    header_line(partial_);
    partial_.clear();
  }
  if (bytes.empty()) return;
  body_bytes_ += bytes.size();
  crc_ = crc32c(crc_, bytes);
}

void MessageCheck::header_line(std::string_view line) noexcept {
  if (line == "\r\n" || line == "\n") {
    in_body_ = true;
    return;
  }
  if (token_ || !starts_with_ignore_case(line, kTokenHeader)) return;
  token_ = parse_token(trim(line.substr(kTokenHeader.size())));
}

std::string_view MessageCheck::verdict() const noexcept {
  if (!token_) return "none";
  if (body_bytes_ < token_->length) return "short";
  if (body_bytes_ > token_->length) return "long";
  return crc_ == token_->crc ? "ok" : "corrupt";
}

}  // namespace godwit::bench
