#include "bench/sink/sink.h"

#include "bench/common/json.h"
#include "bench/common/process.h"
#include "bench/sink/dump.h"
#include "bench/sink/long_way.h"
#include "tls/tls_stream.h"

#include <cstdio>

namespace godwit::bench {
namespace {

constexpr int64_t kProgressMicros = 1'000'000;

}  // namespace

Sink::Sink(Loop& loop, const SinkOptions& options)
    : loop_(loop),
      options_(options),
      features_(features_of(options, options.tls)),
      features_in_tls_(features_of(options, false)),
      ticket_keys_(tls::make_ticket_secret(loop.clock().wall())),
      random_(options.seed),
      last_message_end_(&Sink::on_last_message, this) {}

void Sink::on_last_message(void* self) noexcept {
  static_cast<Sink*>(self)->stop();
}

Result<void> Sink::serve(int descriptor, UvStream::Kind kind) {
  if (!options_.ledger.empty()) {
    Result<void> opened = ledger_.open(options_.ledger);
    if (!opened) return opened;
  }
  if (options_.tls) {
    tls::ServerSettings settings;
    settings.host_name = options_.hostname;
    Result<std::shared_ptr<const tls::ServerContext>> context =
        tls::ServerContext::load(settings, &ticket_keys_, loop_.clock().wall());
    if (!context) return context.error();
    tls_context_ = std::move(*context);
  }
  Result<std::unique_ptr<Listener>> listener =
      Listener::open(loop_, descriptor, kind, options_.backlog, *this);
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  started_ = progress_at_ = loop_.clock().now();
  Scope conductor;
  conductor.spawn(conduct());
  loop_.run();
  return {};
}

void Sink::stop() noexcept {
  if (!stopped_.is_set()) stopped_.set();
}

Task<void> Sink::conduct() {
  Scope ticking;
  ticking.spawn(tick());
  co_await stopped_;
  listener_.reset();
  cancel_.cancel();
  waiting_.clear();
  const std::vector<UvStream*> open(streams_.begin(), streams_.end());
  for (UvStream* stream : open) {
    if (streams_.contains(stream)) stream->close();
  }
  co_await sessions_.join();
  tick_cancel_.cancel();
  co_await ticking.join();
  if (ledger_.is_open()) ledger_.flush();
  loop_.stop();
}

Task<void> Sink::tick() {
  while (co_await Sleep(loop_.timers(), LedgerWriter::kFlushEvery, &tick_cancel_)) {
    if (ledger_.is_open()) ledger_.flush();
    watch();
  }
}

void Sink::watch() {
  const Instant now = loop_.clock().now();
  const bool is_over = now.micros - started_.micros >= options_.time_limit_micros;
  const bool is_idle = options_.idle_exit_micros > 0 && messages_ > 0 &&
                       now.micros - last_message_at_.micros >= options_.idle_exit_micros;
  if (is_over || is_idle) stop();
  if (!options_.progress || now.micros - progress_at_.micros < kProgressMicros) return;
  progress_at_ = now;
  std::fprintf(stderr, "\rsmtp-sink: %llu messages, %zu sessions open, %llu faulty  ",
               static_cast<unsigned long long>(messages_), sessions_.running(),
               static_cast<unsigned long long>(faulty_));
}

void Sink::on_connection(std::unique_ptr<UvStream> stream) {
  if (sessions_.running() >= options_.sessions_at_once) {
    waiting_.push_back(std::move(stream));
    return;
  }
  sessions_.spawn(session(std::move(stream)));
}

void Sink::on_accept_error(const Error& error) {
  std::fprintf(stderr, "smtp-sink: %s\n", error.to_string().c_str());
}

Task<void> Sink::session(std::unique_ptr<UvStream> stream) {
  ++sessions_begun_;
  const std::optional<Endpoint> peer = stream->peer();
  set_window(stream->descriptor(), static_cast<int>(options_.window));
  streams_.insert(stream.get());
  {
    SinkDialogue dialogue(options_, features_, *this, random_,
                          peer ? peer->address.to_string() : "unix");
    if (options_.link_delay_micros == 0) {
      const bool wants_tls = co_await converse(*stream, dialogue, dialogue.begin());
      if (wants_tls) co_await converse_in_tls(*stream, dialogue);
    } else {
      LongWay way(loop_, *stream, Millis{(options_.link_delay_micros + 999) / 1000});
      way.start();
      co_await converse(way, dialogue, dialogue.begin());
      co_await way.finish();
    }
  }
  streams_.erase(stream.get());
  stream.reset();
  session_ended();
}

Task<bool> Sink::converse(ByteStream& stream, SinkDialogue& dialogue, SinkDialogue::Next next) {
  using Next = SinkDialogue::Next;
  std::string kept;  // input that waits while the dialogue pauses
  for (;;) {
    next = co_await follow(stream, dialogue, next);
    if (next != Next::input) co_return next == Next::tls;
    stream.set_deadline(deadline());
    const Result<std::string_view> bytes = co_await stream.read();
    if (!bytes || bytes->empty()) co_return false;
    show("< ", *bytes);
    std::string_view input = *bytes;
    for (;;) {
      next = dialogue.feed(input);
      if (next == Next::input || input.empty()) break;
      // What the stream gave is not valid after a pause.
      std::string rest(input);
      kept.swap(rest);
      input = kept;
      next = co_await follow(stream, dialogue, next);
      if (next != Next::input) co_return next == Next::tls;
    }
  }
}

Task<void> Sink::converse_in_tls(ByteStream& stream, SinkDialogue& dialogue) {
  tls::ServerSession session;
  session.resumption = true;
  session.now = loop_.clock().wall();
  tls::TlsStream secure(stream, tls::Engine::make_server(tls_context_, session));
  secure.set_deadline(deadline());
  const Result<tls::Handshake> shaken = co_await secure.handshake();
  if (!shaken) {
    if (!stopped_.is_set())
      std::fprintf(stderr, "smtp-sink: TLS: %s\n", shaken.error().to_string().c_str());
    co_return;
  }
  ++handshakes_;
  if (secure.engine().facts().is_resumed()) ++resumed_;
  dialogue.tls_started(features_in_tls_);
  co_await converse(secure, dialogue, SinkDialogue::Next::input);
}

Instant Sink::deadline() const {
  return {loop_.clock().now().micros + options_.timeout_micros};
}

Task<SinkDialogue::Next> Sink::follow(ByteStream& stream, SinkDialogue& dialogue,
                                      SinkDialogue::Next next) {
  for (;;) {
    if (!dialogue.output().empty()) {
      show("> ", dialogue.output());
      stream.set_deadline(deadline());
      const Result<void> written = co_await stream.write(dialogue.output());
      dialogue.output().clear();
      if (!written) co_return SinkDialogue::Next::end;
    }
    if (next != SinkDialogue::Next::pause) co_return next;
    const Millis delay{(dialogue.pause_micros() + 999) / 1000};
    if (!co_await Sleep(loop_.timers(), delay, &cancel_)) co_return SinkDialogue::Next::end;
    next = dialogue.resume();
  }
}

void Sink::session_ended() {
  ++sessions_done_;
  show_counters();
  if (options_.sessions > 0 && sessions_done_ >= options_.sessions) stop();
  // This session still counts as running, so that one more than the limit is let in for a moment.
  if (!waiting_.empty() && !stopped_.is_set()) {
    std::unique_ptr<UvStream> next = std::move(waiting_.front());
    waiting_.pop_front();
    sessions_.spawn(session(std::move(next)));
  }
}

void Sink::on_message(const TakenMessage& message) {
  const WallTime now = loop_.clock().wall();
  const std::string_view verdict = message.check.verdict();
  if (messages_ == 0) first_message_ = now;
  last_message_ = now;
  last_message_at_ = loop_.clock().now();
  ++messages_;
  deliveries_ += message.recipients.size();
  bytes_ += message.check.total_bytes();
  if (message.check.token() && verdict != "ok") ++faulty_;
  if (ledger_.is_open()) {
    std::string recipients;
    for (const std::string& recipient : message.recipients) {
      if (!recipients.empty()) recipients += ',';
      recipients += recipient;
    }
    const std::string token = message.check.token() ? to_string(*message.check.token()) : "-";
    ledger_.add_received(token, verdict, now, message.check.body_bytes(), recipients);
  }
  if (options_.dumps()) {
    const Result<void> dumped = dump_message(options_, message, random_, now);
    if (!dumped) std::fprintf(stderr, "smtp-sink: %s\n", dumped.error().to_string().c_str());
  }
  show_counters();
  // The client still gets its reply: conduct() ends the sessions at the end of this turn.
  if (options_.messages > 0 && messages_ >= options_.messages) loop_.at_turn_end(last_message_end_);
}

void Sink::on_quit() {
  ++quits_;
  show_counters();
}

void Sink::show_counters() const {
  if (!options_.show_counters) return;
  std::printf("sess=%llu quit=%llu mesg=%llu\r", static_cast<unsigned long long>(sessions_done_),
              static_cast<unsigned long long>(quits_), static_cast<unsigned long long>(messages_));
  std::fflush(stdout);
}

void Sink::show(std::string_view prefix, std::string_view text) const {
  if (!options_.verbose) return;
  const std::string line = std::string(prefix) + std::string(text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

std::string Sink::to_json() const {
  JsonWriter json;
  json.begin_object();
  json.string("program", "smtp-sink");
  json.integer("messages", static_cast<int64_t>(messages_));
  json.integer("deliveries", static_cast<int64_t>(deliveries_));
  json.integer("bytes", static_cast<int64_t>(bytes_));
  json.integer("faulty", static_cast<int64_t>(faulty_));
  json.integer("sessions", static_cast<int64_t>(sessions_begun_));
  json.integer("quits", static_cast<int64_t>(quits_));
  json.integer("handshakes", static_cast<int64_t>(handshakes_));
  json.integer("resumed", static_cast<int64_t>(resumed_));
  json.integer("first_message_micros", first_message_.micros);
  json.integer("last_message_micros", last_message_.micros);
  json.integer("cpu_micros", cpu_micros());
  json.end_object();
  return json.text() + "\n";
}

}  // namespace godwit::bench
