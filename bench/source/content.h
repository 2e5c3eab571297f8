// Content: messages made ready once. For each message that is sent only the token, the message id
// and the number at the start of the body are written over the last ones, in place.
#pragma once

#include "bench/common/token.h"
#include "bench/source/options.h"
#include "core/base/random.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::bench {

class Content {
 public:
  // A message with headers of its own and `body_bytes` of text lines.
  static Content generated(const SourceOptions& options, uint64_t body_bytes, uint32_t run);
  // A whole message from a file, lines ending with LF or CRLF.
  static Content from_text(const SourceOptions& options, std::string_view text);

  // Makes it the message `token`, whose length and checksum are filled in. Gives what follows DATA,
  // dots stuffed and the end included, or the plain bytes for BDAT; valid until the next call.
  std::string_view prepare(Token& token) noexcept;

  uint64_t body_bytes() const noexcept { return body_bytes_; }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  void finish(bool for_bdat, std::string_view head, std::string_view body);

  std::string text_;
  size_t token_at_ = kNone;
  size_t id_at_ = kNone;      // the number in the Message-Id
  size_t number_at_ = kNone;  // the number in the body
  size_t body_at_ = 0;
  uint64_t body_bytes_ = 0;
  uint32_t body_crc_ = 0;  // where the body is always the same
};

// All that a run sends, with their weights.
class ContentSet {
 public:
  static Result<ContentSet> make(const SourceOptions& options, uint32_t run);

  Content& pick(Random& random) noexcept;

 private:
  std::vector<Content> contents_;
  std::vector<uint64_t> weights_up_to_;  // of the content and those before it
};

}  // namespace godwit::bench
