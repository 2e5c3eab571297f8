// MessageCheck: reads a message as it comes, finds its token among the headers, counts and sums up
// its body, and says whether that is the body that the token promises.
#pragma once

#include "bench/common/token.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::bench {

class MessageCheck {
 public:
  void start() noexcept;
  void feed(std::string_view bytes);

  const std::optional<Token>& token() const noexcept { return token_; }
  uint64_t body_bytes() const noexcept { return body_bytes_; }
  uint64_t total_bytes() const noexcept { return total_bytes_; }
  // "ok", "short", "long", "corrupt", or "none" where there is no token.
  std::string_view verdict() const noexcept;

 private:
  static constexpr size_t kLineKeptMax = 256;  // of a header line that comes in pieces

  void header_line(std::string_view line) noexcept;

  std::optional<Token> token_;
  std::string partial_;  // a header line whose end did not come yet
  uint64_t body_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  uint32_t crc_ = 0;
  bool in_body_ = false;
};

}  // namespace godwit::bench
