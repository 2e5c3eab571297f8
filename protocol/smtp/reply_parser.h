// ReplyParser: the client's view of what a server says. One reply at a time, from bytes cut
// anywhere; bounded. RFC 5321 4.2.
// Errors: bytes that are no reply give `malformed` with the offending text, escaped and cut; the
// parser stays there, for nothing after it can be trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::smtp {

struct ServerReply {
  uint16_t code = 0;
  std::string text;      // without codes, lines parted by '\n'; control characters escaped
  std::string enhanced;  // of the first line, where its class fits the code (RFC 2034)

  int digit() const noexcept { return code / 100; }
  // "550-first\n550 second": with its codes, lines parted by '\n', as logs and DSNs show it.
  std::string full_text() const;
  void clear();
};

class ReplyParser {
 public:
  enum class State : uint8_t { incomplete, complete, malformed };

  // Takes bytes up to the end of the reply; returns how many. Call after complete only once the
  // reply was taken.
  size_t feed(std::string_view bytes);
  State state() const noexcept { return state_; }
  bool is_empty() const noexcept { return state_ == State::incomplete && size_ == 0; }
  const ServerReply& reply() const noexcept { return reply_; }
  // The reply that is complete; the parser is ready for the next one.
  ServerReply take();
  // What was malformed, for a log line; and the line itself, escaped and cut.
  const std::string& problem() const noexcept { return problem_; }
  const std::string& malformed() const noexcept { return malformed_; }

 private:
  void end_line();
  void fail(std::string_view why, std::string_view shown);

  State state_ = State::incomplete;
  bool first_line_ = true;
  size_t size_ = 0;  // bytes of the reply so far
  std::string line_;
  ServerReply reply_;
  std::string problem_;
  std::string malformed_;
};

}  // namespace godwit::smtp
