#include "delivery/transport/message_content.h"

#include <algorithm>

namespace godwit::delivery {

Task<Result<void>> MessageContent::load_headers() {
  if (bytes_ != nullptr || !headers_.empty()) co_return Result<void>();
  headers_ = co_await ok(store_->read_headers(ref_));
  co_return Result<void>();
}

MessageContent MessageContent::headers_only() const {
  MessageContent changed = with_headers(std::string(header_section()));
  changed.bytes_ = std::make_shared<const spool::MessageBytes>();
  changed.body_bytes_ = 0;
  return changed;
}

MessageContent MessageContent::body_only() const {
  MessageContent changed = with_headers({});
  changed.has_separator_ = false;
  return changed;
}

MessageContent MessageContent::with_text(std::string_view text) const {
  auto bytes = std::make_shared<spool::MessageBytes>();
  spool::MessageBytes::Chunk& chunk = bytes->body.emplace_back();
  chunk.bytes = PooledBytes(text.size());
  chunk.size = text.copy(chunk.bytes.data(), text.size());
  bytes->body_bytes = text.size();
  MessageContent changed = body_only();
  changed.bytes_ = std::move(bytes);
  changed.body_bytes_ = text.size();
  return changed;
}

Task<Result<std::string_view>> MessageContent::read_page(uint64_t offset, std::string& page) const {
  const uint64_t left = body_bytes_ - std::min(offset, body_bytes_);
  page.resize(std::min<uint64_t>(left, kPageBytes));
  if (page.empty()) co_return std::string_view();
  const size_t got = co_await ok(store_->read_body(ref_, offset, std::span<char>(page)));
  co_return std::string_view(page).substr(0, got);
}

}  // namespace godwit::delivery
