// A driver of ServerEngine for fuzz targets: accepts what may be accepted, and remembers.
#pragma once

#include "core/base/assert.h"
#include "protocol/smtp/server_engine.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace godwit::fuzz {

struct Played {
  std::string output;
  std::string messages;  // those that were complete
  std::string open;      // a message that is not complete yet
  bool operator==(const Played& other) const {
    return output == other.output && messages == other.messages;
  }
};

inline void answer(smtp::ServerEngine& engine, const smtp::Event& event, Played& played) {
  using smtp::EventKind;
  using smtp::ReplyId;
  switch (event.kind) {
    case EventKind::greeted:
      return engine.accept_helo("mx Hello");
    case EventKind::mail:
      return engine.reply(ReplyId::mail_ok);
    case EventKind::rcpt:
      return engine.reply(engine.rcpt().path.is_unqualified() ? ReplyId::administrative_prohibition
                                                              : ReplyId::rcpt_ok);
    case EventKind::body_start:
      played.open.clear();
      return engine.is_chunked() ? engine.accept_chunks() : engine.reply(ReplyId::data_go_ahead);
    case EventKind::body_chunk:
      played.open += event.text;
      return;
    case EventKind::body_end:
      played.messages += played.open + "<end>";
      GODWIT_ASSERT(engine.headers().message_bytes() == engine.body().bytes);
      return engine.reply({250, "2.0.0", "OK id=x"});
    case EventKind::body_refused:
      played.messages += "<refused>";
      return;
    case EventKind::verify:
    case EventKind::expand:
      return engine.reply(ReplyId::vrfy_refused);
    case EventKind::path: {
      const std::string path(event.text);
      return engine.use_path(path);
    }
    case EventKind::etrn:
      return engine.reply({458, "4.0.0", "no"});
    case EventKind::auth:
      return engine.reply({535, "5.7.8", "no"});
    case EventKind::starttls:
      return engine.reply({454, "4.7.0", "no"});
    case EventKind::quit:
      return engine.reply({221, "2.0.0", "bye"});
    default:
      return;
  }
}

// Every line of output is a reply line: three digits, a mark, text without control characters.
inline void check_output(std::string_view output) {
  while (!output.empty()) {
    const size_t end = output.find("\r\n");
    GODWIT_ASSERT(end != std::string_view::npos && end >= 4);
    const std::string_view line = output.substr(0, end);
    GODWIT_ASSERT(line[0] >= '2' && line[0] <= '5' && (line[3] == ' ' || line[3] == '-'));
    for (const char c : line) GODWIT_ASSERT(c != '\r' && c != '\n' && c != '\0');
    output.remove_prefix(end + 2);
  }
}

// Plays `input` in pieces of `piece` bytes.
inline Played play(const smtp::ServerLimits& limits, std::string_view input, size_t piece) {
  smtp::ServerEngine engine(limits);
  smtp::Offer offer;
  for (const smtp::ExtensionRow& row : smtp::extension_rows()) offer.extensions.set(row.extension);
  offer.auth = "PLAIN";
  engine.set_offer(offer);
  engine.greet("mx");
  Played played;
  for (size_t at = 0; at < input.size(); at += piece) {
    const std::string bytes(input.substr(at, piece));
    engine.receive(bytes);
    while (true) {
      const smtp::Event event = engine.next();
      if (event.kind == smtp::EventKind::need_input) break;
      if (event.kind == smtp::EventKind::close) {
        played.output += engine.take_output();
        check_output(played.output);
        return played;
      }
      answer(engine, event, played);
    }
    played.output += engine.take_output();
  }
  check_output(played.output);
  return played;
}

}  // namespace godwit::fuzz
