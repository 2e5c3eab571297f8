// What ServerEngine keeps only while a message is being read; private to its .cc files.
#pragma once

#include "protocol/message/header_scan.h"
#include "protocol/smtp/data_stream.h"
#include "protocol/smtp/server_engine.h"

#include <cstdint>
#include <optional>

namespace godwit::smtp {

struct ServerEngine::Body {
  explicit Body(const ServerLimits& limits)
      : from_lines(limits.from_lines), headers(limits.header), data(limits.bare_line_ends) {}

  message::FromLines from_lines;
  message::HeaderScanner headers;
  DataStream data;
  BareLineEndFinder chunks;  // BDAT only
  uint64_t bytes = 0;
  bool chunked = false;
  bool ended = false;  // DATA: the dot was read
  std::optional<ReplyId> refusal;

  bool has_bare_line_ends() const noexcept { return chunked ? chunks.found() : data.bare_seen(); }
};

// The bit of ServerEngine::nonmail_seen_ for a verb.
constexpr unsigned nonmail_bit(Verb verb) noexcept {
  return 1u << static_cast<unsigned>(verb);
}

}  // namespace godwit::smtp
