// The server's side of transcript_runner.h: a small driver with a scripted policy.
#include "core/base/ascii.h"
#include "protocol/smtp/server_engine.h"
#include "tests/support/transcript_runner.h"

#include <array>
#include <memory>
#include <utility>

namespace godwit::test {
namespace {

using namespace godwit::smtp;  // NOLINT: a test of this namespace

std::string_view take_word(std::string_view& text) {
  text = trim_left(text);
  const size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text = trim_left(text.substr(end));
  return word;
}

struct Rule {
  std::string what;
  std::string address;
  Reply reply;
};

class ServerPlay {
 public:
  ServerPlay(std::string_view transcript, Cut cut) : transcript_(transcript), cut_(cut) {
    offer_.extensions.set(Extension::size);
    offer_.extensions.set(Extension::pipelining);
    offer_.extensions.set(Extension::help);
    offer_.size_limit = limits_.message_size_limit;
  }

  Played run();

 private:
  void read_directives();
  void directive(std::string_view line);
  void offer(std::string_view name);
  void limit(std::string_view name, std::string_view value);
  void feed(std::string_view bytes);
  void pump();
  void handle(const Event& event);
  void handle_body(const Event& event);
  void decide(std::string_view what, std::string_view address, const ReplyView& otherwise);
  void decide_path(std::string_view what, const Path& path, ReplyId otherwise);
  void collect_output();
  void event(std::string_view text);
  void play_line(std::string_view line);
  bool ends_group(std::string_view line) const;

  std::string_view transcript_;
  Cut cut_;
  ServerLimits limits_;
  Offer offer_;
  std::vector<Rule> rules_;
  std::string auth_ = "PLAIN LOGIN";
  std::unique_ptr<ServerEngine> engine_;
  std::string joined_;  // C& lines that wait for the next
  std::string group_;   // what a pipelining client has not sent yet
  std::string message_;
  Played played_;
  bool greeted_ = false;
  bool closed_ = false;
};

Played ServerPlay::run() {
  read_directives();
  engine_ = std::make_unique<ServerEngine>(limits_);
  engine_->set_offer(offer_);
  std::string_view rest = transcript_;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    play_line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (!group_.empty()) feed(std::exchange(group_, {}));
  return played_;
}

void ServerPlay::play_line(std::string_view line) {
  const bool early = line.starts_with("!early");
  if (line.starts_with("S:") || line.starts_with("E:")) {
    // The greeting comes before the first line of the client.
    return;
  }
  played_.transcript.append(line).append("\n");
  if (line.starts_with("!greet") || early) {
    const std::string said = line.size() > 7 ? unescape(line.substr(7)) : "QUIT\r\n";
    if (early) engine_->receive(said);
    engine_->greet("mx.example.org ESMTP ready");
    greeted_ = true;
    pump();
    return;
  }
  if (!line.starts_with("C")) return;
  const std::string_view text = line.size() > 3 ? line.substr(3) : std::string_view();
  std::string bytes = line[1] == '>' ? unescape(text) : std::string(text) + "\r\n";
  if (line[1] == '&') {
    joined_ += bytes;
    return;
  }
  bytes = std::exchange(joined_, {}) + bytes;
  if (cut_ == Cut::groups) {
    group_ += bytes;
    if (ends_group(text)) feed(std::exchange(group_, {}));
  } else {
    feed(bytes);
  }
}

// A pipelining client sends DATA last, and body and next commands together.
bool ServerPlay::ends_group(std::string_view line) const {
  std::string_view argument;
  const VerbRow& row = find_verb(line, argument);
  return row.sync == Sync::ends_group || row.verb == Verb::quit;
}

void ServerPlay::feed(std::string_view bytes) {
  if (closed_) return;
  if (cut_ != Cut::bytes) {
    engine_->receive(bytes);
    return pump();
  }
  for (size_t at = 0; at < bytes.size() && !closed_; ++at) {
    const std::string one(1, bytes[at]);
    engine_->receive(one);
    pump();
  }
}

void ServerPlay::pump() {
  while (!closed_) {
    const Event found = engine_->next();
    if (found.kind == EventKind::need_input) break;
    handle(found);
  }
  collect_output();
}

void ServerPlay::collect_output() {
  const std::string output = engine_->take_output();
  played_.output += output;
  std::string_view rest = output;
  while (!rest.empty()) {
    const size_t end = rest.find("\r\n");
    played_.transcript.append("S: ").append(rest.substr(0, end)).append("\n");
    rest.remove_prefix(std::min(end, rest.size() - 2) + 2);
  }
}

void ServerPlay::event(std::string_view text) {
  collect_output();
  played_.transcript.append("E: ").append(text).append("\n");
  played_.events.append(text).append("\n");
}

void ServerPlay::decide(std::string_view what, std::string_view address,
                        const ReplyView& otherwise) {
  for (const Rule& rule : rules_) {
    if (rule.what == what && (rule.address == "*" || rule.address == address)) {
      return engine_->reply(rule.reply);
    }
  }
  engine_->reply(otherwise);
}

void ServerPlay::decide_path(std::string_view what, const Path& path, ReplyId otherwise) {
  if (!path.is_unqualified() || path.is_postmaster()) {
    return decide(what, path.address, named_reply(otherwise));
  }
  const std::string text = std::string(path.written) + ": " +
                           (what == "mail" ? "sender" : "recipient") +
                           " address must contain a domain";
  engine_->reply({501, "5.1.3", text});
}

void ServerPlay::handle(const Event& found) {
  switch (found.kind) {
    case EventKind::greeted: {
      const std::string text = "mx.example.org Hello " + std::string(found.text) + " [192.0.2.7]";
      for (const Rule& rule : rules_) {
        if (rule.what == "helo") return engine_->reply(rule.reply);
      }
      return engine_->accept_helo(text);
    }
    case EventKind::mail:
      return decide_path("mail", engine_->mail().path,
                         engine_->mail().prdr ? ReplyId::mail_ok_prdr : ReplyId::mail_ok);
    case EventKind::rcpt:
      return decide_path("rcpt", engine_->rcpt().path, ReplyId::rcpt_ok);
    case EventKind::body_start:
    case EventKind::body_chunk:
    case EventKind::body_end:
    case EventKind::body_refused:
      return handle_body(found);
    case EventKind::verify:
      return decide("vrfy", found.text, named_reply(ReplyId::vrfy_refused));
    case EventKind::expand:
      return decide("expn", found.text, named_reply(ReplyId::administrative_prohibition));
    case EventKind::auth:
      return engine_->reply({535, "5.7.8", "Incorrect authentication data"});
    case EventKind::starttls:
      return engine_->reply({454, "4.7.0", "TLS currently unavailable"});
    case EventKind::quit:
      return engine_->reply({221, "2.0.0", "mx.example.org closing connection"});
    case EventKind::error: {
      constexpr std::array<std::string_view, 5> kNames{"none", "syntax", "protocol", "limit",
                                                       "sync"};
      return event("error " + std::string(kNames[static_cast<size_t>(engine_->fault())]));
    }
    case EventKind::close:
      closed_ = true;
      return event(found.text.empty() ? "close" : "close: " + std::string(found.text));
    default:
      return;
  }
}

void ServerPlay::handle_body(const Event& found) {
  if (found.kind == EventKind::body_start) {
    message_.clear();
    for (const Rule& rule : rules_) {
      if (rule.what == "predata") return engine_->reply(rule.reply);
    }
    return engine_->is_chunked() ? engine_->accept_chunks()
                                 : engine_->reply(ReplyId::data_go_ahead);
  }
  if (found.kind == EventKind::body_chunk) {
    message_ += found.text;
    return;
  }
  if (found.kind == EventKind::body_refused) return event("message refused");
  std::string text = "message ";
  append_decimal(text, engine_->body().bytes);
  event(text + ": " + escape_control(message_.substr(0, 200)));
  if (engine_->mail().prdr) {
    for (const Rule& rule : rules_) {
      if (rule.what == "ahead") engine_->reply_ahead(rule.reply);
    }
  }
  decide("final", "", {250, "2.0.0", "OK id=1vMIf1-00000000001-0001"});
}

void ServerPlay::read_directives() {
  std::string_view rest = transcript_;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (rest.front() == '!') directive(rest.substr(1, end - 1));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void ServerPlay::directive(std::string_view line) {
  const std::string_view name = take_word(line);
  if (name == "offer") {
    while (!line.empty()) offer(take_word(line));
  } else if (name == "limit") {
    const std::string_view what = take_word(line);
    limit(what, line);
  } else if (name == "reply") {
    Rule rule;
    rule.what = take_word(line);
    rule.address = take_word(line);
    rule.reply.code = static_cast<uint16_t>(parse_decimal(take_word(line)).value_or(0));
    rule.reply.enhanced = take_word(line);
    if (rule.reply.enhanced == "-") rule.reply.enhanced.clear();
    rule.reply.text = unescape(line);
    rules_.push_back(rule);
  }
}

void ServerPlay::offer(std::string_view name) {
  const bool on = !name.starts_with("-");
  if (!on) name.remove_prefix(1);
  if (name == "all") {
    for (const ExtensionRow& row : extension_rows()) {
      const bool skip = row.extension == Extension::starttls ||
                        row.extension == Extension::xclient || row.extension == Extension::etrn ||
                        !row.offered_by_server;
      if (!skip) offer_.extensions.set(row.extension);
    }
    offer_.auth = auth_;
    offer_.mail_max = limits_.max_messages;
    offer_.rcpt_max = limits_.recipients_max;
    return;
  }
  for (const ExtensionRow& row : extension_rows()) {
    if (equals_ignore_case(row.keyword, name)) offer_.extensions.set(row.extension, on);
  }
}

void ServerPlay::limit(std::string_view name, std::string_view value) {
  const uint64_t number = parse_decimal(value).value_or(0);
  const auto small = static_cast<uint32_t>(number);
  if (name == "message_size") limits_.message_size_limit = offer_.size_limit = number;
  if (name == "recipients") limits_.recipients_max = small;
  if (name == "recipients_reject") limits_.recipients_max_reject = number != 0;
  if (name == "messages") limits_.max_messages = small;
  if (name == "nonmail") limits_.max_nonmail = small;
  if (name == "unknown") limits_.max_unknown_commands = small;
  if (name == "synprot") limits_.max_synprot_errors = small;
  if (name == "sync") limits_.enforce_sync = number != 0;
  if (name == "early") limits_.accepts_early = number != 0;
  if (name == "helo") limits_.require_helo = number != 0;
  if (name == "header_bytes") limits_.header.header_bytes_max = number;
  if (name == "header_line") limits_.header.line_bytes_max = number;
  if (name == "received") limits_.header.received_max = small;
  if (name == "bare") {
    limits_.bare_line_ends = value == "keep"      ? BareLineEnds::keep
                             : value == "replace" ? BareLineEnds::replace
                                                  : BareLineEnds::reject;
  }
}

}  // namespace

Played play_server(std::string_view transcript, Cut cut) {
  return ServerPlay(transcript, cut).run();
}

}  // namespace godwit::test
