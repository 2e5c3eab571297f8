// The client's side of transcript_runner.h: a driver that does what the directives say.
#include "core/base/ascii.h"
#include "protocol/smtp/client_engine.h"
#include "protocol/smtp/dot_stuff.h"
#include "tests/support/transcript_runner.h"

#include <array>
#include <deque>
#include <memory>

namespace godwit::test {
namespace {

using namespace godwit::smtp;  // NOLINT: a test of this namespace

constexpr std::array<std::string_view, 9> kOutcomes{
    "delivered",  "recipient_deferred", "recipient_failed", "message_deferred", "message_failed",
    "host_error", "host_failed",        "in_doubt",         "not_tried"};

std::string describe(const Outcome& outcome) {
  std::string text(kOutcomes[static_cast<size_t>(outcome.outcome)]);
  if (!outcome.command.empty()) text += " after " + outcome.command;
  if (outcome.reply.code != 0) text += ": " + escape_control(outcome.reply.full_text());
  if (!outcome.problem.empty()) text += " (" + outcome.problem + ")";
  if (!outcome.overall.empty()) text += " and " + outcome.overall;
  if (outcome.is_untouched) text += ", untouched";
  return text;
}

// Words with "_" for the blank inside one: "PIPELINING SIZE_100".
Capabilities capabilities_of(std::string_view words) {
  std::string text = "server\n";
  for (const char c : words) text += c == ' ' ? '\n' : c == '_' ? ' ' : c;
  return parse_capabilities(text);
}

class ClientPlay {
 public:
  ClientPlay(std::string_view transcript, Cut cut) : transcript_(transcript), cut_(cut) {}

  Played run();

 private:
  void read_options();
  void directive(std::string_view line);
  Transaction parse_begin(std::string_view line) const;
  void play_line(std::string_view line);
  void feed(std::string_view bytes);
  void pump();
  bool handle(const ClientEvent& found);
  bool begin_next();
  void send_body(BodyForm form);
  void report();
  void sent(std::string_view bytes);
  void event(const std::string& text);

  std::string_view transcript_;
  Cut cut_;
  ClientOptions options_{.helo_name = "client.example"};
  std::string body_ = "Subject: x\r\n\r\nbody\r\n";
  std::unique_ptr<ClientEngine> engine_;
  std::deque<std::string> intents_;
  std::string group_;
  std::string partial_;  // output that is not a whole line yet
  bool over_ = false;
  Played played_;
};

Played ClientPlay::run() {
  read_options();
  engine_ = std::make_unique<ClientEngine>(options_);
  if (options_.known) pump();
  std::string_view rest = transcript_;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    play_line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  feed(std::exchange(group_, {}));
  return played_;
}

void ClientPlay::play_line(std::string_view line) {
  if (line.starts_with("C:") || line.starts_with("E:")) {
    feed(std::exchange(group_, {}));
    return;
  }
  const bool fact = line == "!close" || line == "!timeout";
  if (fact) feed(std::exchange(group_, {}));
  played_.transcript.append(line).append("\n");
  if (fact) {
    if (line == "!close") engine_->peer_closed();
    if (line == "!timeout") engine_->timed_out();
    return pump();
  }
  if (!line.starts_with("S")) return;
  const std::string_view text = line.size() > 3 ? line.substr(3) : std::string_view();
  const std::string bytes = line[1] == '>' ? unescape(text) : std::string(text) + "\r\n";
  if (cut_ == Cut::groups) {
    group_ += bytes;
  } else {
    feed(bytes);
  }
}

void ClientPlay::feed(std::string_view bytes) {
  if (over_ || bytes.empty()) return;
  if (cut_ != Cut::bytes) {
    engine_->receive(bytes);
    return pump();
  }
  for (const char c : bytes) {
    if (over_) return;
    engine_->receive({&c, 1});
    pump();
  }
}

void ClientPlay::pump() {
  bool more = !over_;
  while (more) {
    const ClientEvent found = engine_->next();
    sent(engine_->take_output());
    more = handle(found);
  }
}

bool ClientPlay::handle(const ClientEvent& found) {
  switch (found.kind) {
    case ClientEventKind::need_input:
      return begin_next();
    case ClientEventKind::tls_refused:
      event("tls refused: " + std::to_string(engine_->tls_refusal().code));
      [[fallthrough]];
    case ClientEventKind::ready: {
      if (intents_.empty()) return true;
      const std::string intent = intents_.front();
      intents_.pop_front();
      if (intent == "quit") {
        engine_->quit();
      } else if (intent == "starttls") {
        engine_->starttls();
      } else {
        engine_->begin(parse_begin(intent));
      }
      return true;
    }
    case ClientEventKind::tls_ready:
      event("tls ready");
      engine_->tls_started();
      return true;
    case ClientEventKind::send_body:
      send_body(found.form);
      return true;
    case ClientEventKind::transaction_done:
      report();
      begin_next();
      return true;
    case ClientEventKind::session_failed:
      event("failed: " + describe(engine_->failure()));
      over_ = true;
      return false;
    case ClientEventKind::closed:
      event("closed");
      over_ = true;
      return false;
  }
  return false;
}

// The next transaction where it may follow on those under way.
bool ClientPlay::begin_next() {
  if (intents_.empty() || engine_->under_way() == 0 || intents_.front().starts_with("quit"))
    return false;
  Transaction next = parse_begin(intents_.front());
  if (!engine_->may_begin(next)) return false;
  intents_.pop_front();
  engine_->begin(std::move(next));
  return true;
}

void ClientPlay::send_body(BodyForm form) {
  if (form == BodyForm::chunk) {
    sent(body_);
  } else {
    std::vector<std::string_view> segments;
    DotStuffer stuffer;
    stuffer.take(body_, segments);
    stuffer.finish(segments);
    for (const std::string_view segment : segments) sent(segment);
  }
  engine_->body_sent();
}

void ClientPlay::report() {
  const std::vector<Outcome>& outcomes = engine_->outcomes();
  for (size_t n = 0; n < outcomes.size(); ++n) {
    const bool by_prdr = engine_->used_prdr() && outcomes[n].outcome == OutcomeClass::delivered;
    event(engine_->transaction().recipients[n].address + " " + describe(outcomes[n]) +
          (by_prdr ? ", PRDR" : ""));
  }
}

void ClientPlay::sent(std::string_view bytes) {
  played_.output += bytes;
  partial_ += bytes;
  size_t end = partial_.find("\r\n");
  while (end != std::string::npos) {
    played_.transcript.append("C: ").append(partial_, 0, end).append("\n");
    partial_.erase(0, end + 2);
    end = partial_.find("\r\n");
  }
}

void ClientPlay::event(const std::string& text) {
  played_.transcript.append("E: ").append(text).append("\n");
  played_.events.append(text).append("\n");
}

void ClientPlay::read_options() {
  std::string_view rest = transcript_;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (rest.front() == '!') directive(rest.substr(1, end - 1));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void ClientPlay::directive(std::string_view line) {
  if (line.starts_with("begin ")) intents_.emplace_back(line.substr(6));
  if (line == "quit" || line == "starttls") intents_.emplace_back(line);
  if (line.starts_with("body ")) body_ = unescape(line.substr(5));
  if (line == "set lmtp") options_.lmtp = true;
  if (line.starts_with("set depth "))
    options_.pipeline_depth = static_cast<uint32_t>(parse_decimal(line.substr(10)).value_or(1));
  if (line.starts_with("set known ")) options_.known = capabilities_of(line.substr(10));
  if (line.starts_with("set known_in_tls "))
    options_.known_in_tls = capabilities_of(line.substr(17));
  if (line == "set no_pipelining") options_.use_pipelining = false;
  if (line == "set no_esmtp") options_.use_esmtp = false;
}

// KEY=VALUE words; "rcpt" may be repeated.
Transaction ClientPlay::parse_begin(std::string_view line) const {
  Transaction result;
  result.body_bytes = body_.size();
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    const size_t equals = std::min(word.find('='), word.size());
    const std::string_view key = word.substr(0, equals);
    const std::string value = unescape(equals < word.size() ? word.substr(equals + 1) : "");
    if (key == "from") result.sender = value;
    if (key == "rcpt") result.recipients.push_back({value, 0, {}});
    if (key == "notify") result.recipients.back().notify = kNotifySuccess | kNotifyFailure;
    if (key == "orcpt") result.recipients.back().orcpt = value;
    if (key == "bdat") result.use_bdat = true;
    if (key == "prdr") result.use_prdr = true;
    if (key == "ignorequota") result.recipients.back().ignore_quota = true;
    if (key == "nosize") result.declares_size = false;
    if (key == "8bit") result.body = BodyKind::eight_bit_mime;
    if (key == "smtputf8") result.smtputf8 = true;
    if (key == "ret") result.ret = DsnReturn::headers;
    if (key == "envid") result.envid = value;
    if (key == "auth") result.auth = value;
    if (key == "size") result.body_bytes = parse_decimal(value).value_or(0);
  }
  return result;
}

}  // namespace

Played play_client(std::string_view transcript, Cut cut) {
  return ClientPlay(transcript, cut).run();
}

}  // namespace godwit::test
