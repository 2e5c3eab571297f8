#include "delivery/transport/message_content.h"

#include <algorithm>

namespace godwit::delivery {

Task<Result<void>> MessageContent::load_headers() {
  if (bytes_ != nullptr || !headers_.empty()) co_return Result<void>();
  headers_ = co_await ok(store_.read_headers(ref_));
  co_return Result<void>();
}

Task<Result<std::string_view>> MessageContent::read_page(uint64_t offset, std::string& page) const {
  const uint64_t left = body_bytes_ - std::min(offset, body_bytes_);
  page.resize(std::min<uint64_t>(left, kPageBytes));
  if (page.empty()) co_return std::string_view();
  const size_t got = co_await ok(store_.read_body(ref_, offset, std::span<char>(page)));
  co_return std::string_view(page).substr(0, got);
}

}  // namespace godwit::delivery
