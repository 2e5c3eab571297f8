#include "bench/source/session.h"

#include "bench/common/process.h"
#include "bench/source/proxy_header.h"
#include "core/base/ascii.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace godwit::bench {
namespace {

constexpr Millis kConnectTimeout{60'000};
constexpr Millis kRetryPause{100};
// The loop's timers count whole milliseconds. A session that slept until its time and woke up this
// little later is not late: the load generator is.
constexpr int64_t kTimerGrainMicros = 2'000;

std::string_view outcome_text(int code) noexcept {
  if (code >= 200 && code < 300) return "250";
  if (code >= 400 && code < 500) return "4xx";
  if (code >= 500 && code < 600) return "5xx";
  return "unknown";
}

Phase phase_of(size_t index, size_t envelope_size) noexcept {
  if (index == 0) return Phase::mail;
  return index + 1 < envelope_size ? Phase::rcpt : Phase::data;
}

Instant after(Instant at, int64_t micros) noexcept {
  return {at.micros + micros};
}

}  // namespace

Task<void> SourceSession::run() {
  while (std::optional<Assignment> next = run_.take()) {
    if (!co_await wait_until_due(*next)) break;
    if (!co_await ensure_open()) continue;
    const bool usable = co_await transact(*next);
    if (!usable) {
      drop();
    } else if (!options().reuse) {
      co_await leave();
    }
  }
  co_await leave();
}

Task<void> SourceSession::hold() {
  if (!co_await ensure_open()) co_return;
  run_.session_is_open();
  const Millis time{options().hold_micros / 1000};
  co_await Sleep(run_.loop().timers(), time, &run_.cancel());
  co_await leave();
}

Task<bool> SourceSession::wait_until_due(Assignment& assignment) {
  int64_t micros = options().pause_micros;
  if (options().random_pause_micros > 0) {
    const auto bound = static_cast<uint64_t>(options().random_pause_micros) + 1;
    micros += static_cast<int64_t>(run_.random().below(bound));
  }
  if (options().rate > 0)
    micros = std::max<int64_t>(assignment.scheduled.micros - run_.now().micros, 0);
  if (micros > 0) {
    const Millis delay{(micros + 999) / 1000};
    if (!co_await Sleep(run_.loop().timers(), delay, &run_.cancel())) co_return false;
    const Instant now = run_.now();
    if (now.micros - assignment.scheduled.micros <= kTimerGrainMicros) assignment.scheduled = now;
  }
  if (options().rate <= 0) assignment.scheduled = run_.now();
  co_return true;
}

Task<bool> SourceSession::ensure_open() {
  if (socket_) co_return true;
  for (uint64_t left = options().connect_tries; left > 0; --left) {
    if (co_await open_once(left == 1)) co_return co_await greet();
    if (run_.is_over()) break;
    if (left > 1 && !co_await Sleep(run_.loop().timers(), kRetryPause, &run_.cancel())) break;
  }
  co_return false;
}

Task<bool> SourceSession::open_once(bool is_last_try) {
  const Instant begun = run_.now();
  Result<std::unique_ptr<UvStream>> stream = Error(Errc::unreachable);
  if (run_.target().is_unix()) {
    stream = co_await connect_unix(run_.loop(), run_.target().unix_path);
  } else {
    const std::vector<Endpoint>& endpoints = run_.target().endpoints;
    ConnectOptions how;
    how.to = endpoints[index_ % endpoints.size()];
    how.timeout = kConnectTimeout;
    how.cancel = &run_.cancel();
    if (!options().from.empty()) how.from = options().from[index_ % options().from.size()];
    stream = co_await connect(run_.loop(), std::move(how));
  }
  if (!stream) {
    if (is_last_try || stream.error().code() != Errc::connection_refused)
      run_.trouble("connect: " + stream.error().to_string());
    co_return false;
  }
  socket_ = std::move(*stream);
  run_.set_stream(index_, socket_.get());
  replies_.clear();
  set_window(socket_->descriptor(), static_cast<int>(options().window));
  run_.report().add(Phase::connect, begun, run_.now());
  co_return true;
}

Task<bool> SourceSession::greet() {
  std::string preamble;
  if (options().proxy) preamble = proxy_header(*options().proxy, run_.target());
  if (!co_await exchange(Phase::greeting, preamble, 2)) co_return false;
  if (options().old_mode) co_return true;
  if (!co_await say_hello()) co_return false;
  if (options().tls && !co_await start_tls()) co_return false;
  if (!options().bdat || offers_chunking_) co_return true;
  run_.trouble("the server does not offer CHUNKING, which --bdat needs");
  drop();
  co_return false;
}

Task<bool> SourceSession::say_hello() {
  const std::string hello = (options().lmtp ? "LHLO " : "EHLO ") + options().hello + "\r\n";
  if (!co_await exchange(Phase::hello, hello, 2)) co_return false;
  const std::string offers = to_upper(last_.text);
  offers_pipelining_ = offers.find("PIPELINING") != std::string::npos;
  offers_chunking_ = offers.find("CHUNKING") != std::string::npos;
  co_return true;
}

// Whoever serves is trusted, whatever its certificate: it is this machine.
Task<bool> SourceSession::start_tls() {
  if (!co_await exchange(Phase::starttls, "STARTTLS\r\n", 2)) co_return false;
  replies_.clear();  // what came in clear behind the reply is nobody's
  const Instant begun = run_.now();
  tls::ClientSession session;
  session.now = run_.wall();
  session.verify = tls::Verify::no;
  session.sessions = &run_.tls_sessions();
  session.session_key = std::to_string(index_);  // a ticket is used once
  Result<std::unique_ptr<tls::Engine>> engine =
      tls::Engine::make_client(run_.tls_context(), session);
  std::string problem;
  if (engine) {
    tls_ = std::make_unique<tls::TlsStream>(*socket_, std::move(*engine));
    tls_->set_deadline(after(begun, options().reply_timeout_micros));
    const Result<tls::Handshake> shaken = co_await tls_->handshake();
    if (!shaken) problem = shaken.error().to_string();
  } else {
    problem = engine.error().to_string();
  }
  if (!problem.empty()) {
    run_.trouble("TLS: " + problem);
    drop();
    co_return false;
  }
  run_.report().add(Phase::handshake, begun, run_.now());
  if (tls_->engine().facts().is_resumed()) run_.report().count_resumed();
  co_return co_await say_hello();
}

Task<bool> SourceSession::exchange(Phase phase, std::string_view command, int wanted) {
  const Instant sent = run_.now();
  if (!command.empty()) {
    show("> ", command);
    const Result<void> written = co_await stream().write(command);
    if (!written) error_ = written.error().to_string();
  }
  const int code = co_await read_reply();
  run_.report().add(phase, sent, run_.now());
  if (code / 100 == wanted) co_return true;
  unexpected(command.empty() ? "the connection" : trim(command.substr(0, command.find(' '))));
  drop();
  co_return false;
}

Task<int> SourceSession::read_reply() {
  for (;;) {
    const std::optional<ServerReply> reply = replies_.next();
    if (reply) {
      last_ = *reply;
      show("< ", last_.text);
      co_return last_.code;
    }
    stream().set_deadline(after(run_.now(), options().reply_timeout_micros));
    const Result<std::string_view> bytes = co_await stream().read();
    if (bytes && !bytes->empty()) {
      replies_.feed(*bytes);
      continue;
    }
    error_ = bytes ? "the server closed the connection" : bytes.error().to_string();
    last_ = {};
    co_return -1;
  }
}

Task<bool> SourceSession::transact(Assignment assignment) {
  Transaction transaction;
  transaction.assignment = assignment;
  transaction.token.run = run_.id();
  transaction.token.session = index_;
  transaction.token.sequence = assignment.sequence;
  choose_recipients();
  Content& content = run_.contents().pick(run_.random());
  const bool envelope_stands = co_await send_envelope(transaction);
  if (envelope_stands) {
    // Prepared only now: other sessions write over the same bytes while this one waits.
    transaction.content = content.prepare(transaction.token);
    const bool usable =
        options().bdat ? co_await send_chunks(transaction) : co_await send_content(transaction);
    co_return usable;
  }
  content.prepare(transaction.token);
  record(transaction, transaction.unanswered ? "4xx" : outcome_text(transaction.worst), {});
  if (transaction.unanswered) co_return false;
  if (transaction.data_accepted) {
    // Every recipient was refused and the server wants a message all the same.
    co_await exchange(Phase::dot, ".\r\n", 5);
    co_return false;
  }
  if (!options().reuse) co_return true;
  co_return co_await exchange(Phase::mail, "RSET\r\n", 2);
}

Task<bool> SourceSession::send_envelope(Transaction& transaction) {
  const size_t total = options().bdat ? envelope_size() - 1 : envelope_size();
  const size_t depth = offers_pipelining_ ? options().pipeline : 1;
  bool stands = true;
  for (size_t sent = 0; sent < total && stands;) {
    const size_t first = sent;
    commands_.clear();
    while (sent < total && sent - first < depth) append_command(sent++);
    const Instant at = run_.now();
    show("> ", commands_);
    const Result<void> written = co_await stream().write(commands_);
    if (!written) error_ = written.error().to_string();
    for (size_t i = first; i < sent; ++i) {
      const int code = co_await read_reply();
      run_.report().add(phase_of(i, envelope_size()), at, run_.now());
      transaction.unanswered = code < 0;
      if (!judge_envelope_reply(transaction, i, code)) stands = false;
      if (code < 0) co_return false;
    }
  }
  co_return stands;
}

bool SourceSession::judge_envelope_reply(Transaction& transaction, size_t index, int code) {
  const bool is_data = index + 1 == envelope_size();
  const bool is_rcpt = index > 0 && !is_data;
  if (is_data && code == 354) transaction.data_accepted = true;
  if (code / 100 == (is_data ? 3 : 2)) {
    if (is_rcpt) {
      if (!recipients_.empty()) recipients_ += ',';
      append_recipient(recipients_, index - 1);
      accepted_.push_back(index - 1);
    }
    // The last recipient decides for those before it.
    return !is_data || !accepted_.empty();
  }
  if (transaction.worst == 0 || !is_data) transaction.worst = code;
  unexpected(index == 0 ? "MAIL" : is_data ? "DATA" : "RCPT");
  const bool more_recipients = is_rcpt && index + 2 < envelope_size();
  return code > 0 && is_rcpt && (more_recipients || !accepted_.empty());
}

Task<bool> SourceSession::send_content(Transaction& transaction) {
  const Instant sent = run_.now();
  const Result<void> written = co_await stream().write(transaction.content);
  if (!written) error_ = written.error().to_string();
  co_return co_await read_outcome(transaction, sent);
}

Task<bool> SourceSession::send_chunks(Transaction& transaction) {
  // Other sessions write over the shared bytes while this one waits for a chunk's reply.
  std::string kept;
  const size_t size = transaction.content.size();
  const size_t chunk = options().bdat_chunk == 0 ? size : options().bdat_chunk;
  if (chunk < size) {
    kept = transaction.content;
    transaction.content = kept;
  }
  Instant sent = run_.now();
  for (size_t at = 0; at < size; at += chunk) {
    const std::string_view bytes = transaction.content.substr(at, chunk);
    const bool is_last = at + chunk >= size;
    commands_ = "BDAT ";
    append_decimal(commands_, bytes.size());
    commands_ += is_last ? " LAST\r\n" : "\r\n";
    const std::array<std::string_view, 2> parts{commands_, bytes};
    sent = run_.now();
    show("> ", commands_);
    const Result<void> written = co_await stream().write(parts);
    if (!written) error_ = written.error().to_string();
    if (is_last) break;
    const int code = co_await read_reply();
    run_.report().add(Phase::data, sent, run_.now());
    if (code / 100 == 2) continue;
    unexpected("BDAT");
    record(transaction, code < 0 ? "4xx" : outcome_text(code), recipients_);
    co_return false;
  }
  co_return co_await read_outcome(transaction, sent);
}

Task<bool> SourceSession::read_outcome(Transaction& transaction, Instant sent) {
  const size_t replies = options().lmtp ? accepted_.size() : 1;
  bool usable = true;
  for (size_t i = 0; i < replies; ++i) {
    const int code = usable ? co_await read_reply() : -1;
    const Instant now = run_.now();
    usable = code > 0;
    if (i == 0) {
      run_.report().add(Phase::dot, sent, now);
      run_.report().add(Phase::message, transaction.assignment.scheduled, now);
    }
    if (code / 100 != 2) unexpected("the end of the message");
    if (options().lmtp) {
      recipients_.clear();
      append_recipient(recipients_, accepted_[i]);
    }
    record(transaction, outcome_text(code), recipients_);
  }
  co_return usable&& last_.code != 421;
}

Task<void> SourceSession::leave() {
  if (!socket_) co_return;
  const Instant sent = run_.now();
  show("> ", "QUIT\r\n");
  const Result<void> written = co_await stream().write("QUIT\r\n");
  if (written && co_await read_reply() > 0) run_.report().add(Phase::quit, sent, run_.now());
  drop();
}

void SourceSession::append_command(size_t index) {
  if (index == 0) {
    commands_ += "MAIL FROM:<";
    commands_ += options().sender;
    commands_ += ">\r\n";
  } else if (index + 1 < envelope_size()) {
    commands_ += "RCPT TO:<";
    append_recipient(commands_, index - 1);
    commands_ += ">\r\n";
  } else {
    commands_ += "DATA\r\n";
  }
}

void SourceSession::choose_recipients() {
  recipients_.clear();
  accepted_.clear();
  numbers_.clear();
  for (uint64_t i = 0; i < options().recipients; ++i) {
    const uint64_t in_message = options().recipients > 1 ? i + 1 : 0;
    numbers_.push_back(options().number_recipients ? run_.next_recipient_number() : in_message);
  }
}

void SourceSession::append_recipient(std::string& out, size_t index) const {
  if (numbers_[index] > 0) append_decimal(out, numbers_[index]);
  out += options().recipient;
}

void SourceSession::record(const Transaction& transaction, std::string_view outcome,
                           std::string_view recipients) {
  const WallTime wall = run_.wall();
  run_.report().count_outcome(outcome, transaction.content.size(), run_.now(), wall);
  if (options().show_counter) {
    std::printf("%llu\r", static_cast<unsigned long long>(run_.report().finished()));
    std::fflush(stdout);
  }
  if (!run_.ledger().is_open()) return;
  std::array<char, kTokenChars> token;
  write_token(transaction.token, token.data());
  run_.ledger().add_sent({token.data(), token.size()}, outcome, wall, recipients);
}

void SourceSession::unexpected(std::string_view step) {
  std::string text = "after " + std::string(step) + ": ";
  text += last_.code > 0 || !last_.text.empty() ? std::string(trim(last_.text)) : error_;
  run_.trouble(text);
}

void SourceSession::show(std::string_view prefix, std::string_view text) const {
  if (!options().verbose) return;
  const std::string line = std::string(prefix) + std::string(text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void SourceSession::drop() noexcept {
  run_.set_stream(index_, nullptr);
  tls_.reset();  // says close_notify
  socket_.reset();
}

}  // namespace godwit::bench
