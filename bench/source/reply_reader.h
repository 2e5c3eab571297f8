// ReplyReader: cuts a server's bytes into replies. Its own code, not protocol/smtp, so that a
// mistake there cannot hide itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace godwit::bench {

struct ServerReply {
  int code = 0;           // 0 for what is no SMTP reply
  std::string_view text;  // all its lines; valid until the next feed()
};

class ReplyReader {
 public:
  void feed(std::string_view bytes);
  // The next whole reply, or nothing until more bytes came.
  std::optional<ServerReply> next();
  void clear() noexcept;

 private:
  std::string buffer_;
  size_t at_ = 0;       // start of the reply that is being read
  size_t scanned_ = 0;  // start of its next line
};

}  // namespace godwit::bench
