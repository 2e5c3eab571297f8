// A whole session through the server's engine, without a socket: line splitting, command parsing,
// replies, the data stream and the header scan of a 4 KiB message.
#include "protocol/smtp/server_engine.h"

#include <benchmark/benchmark.h>

#include <string>

namespace godwit::smtp {
namespace {

constexpr size_t kMessageBytes = 4096;

std::string message_text() {
  std::string text = "From: <a@source.test>\r\nTo: <b@sink.test>\r\nSubject: bench\r\n\r\n";
  while (text.size() < kMessageBytes) text += std::string(70, 'x') + "\r\n";
  return text;
}

Offer wide_offer() {
  Offer offer;
  offer.extensions.set(Extension::pipelining);
  offer.extensions.set(Extension::size);
  return offer;
}

// Answers like a driver that accepts everything, until the engine wants more.
size_t run_events(ServerEngine& engine) {
  for (;;) {
    const Event event = engine.next();
    switch (event.kind) {
      case EventKind::need_input:
      case EventKind::close:
        return engine.take_output().size();
      case EventKind::greeted:
        engine.accept_helo("mx.test Hello");
        break;
      case EventKind::mail:
        engine.reply(ReplyView{250, "2.1.0", "OK"});
        break;
      case EventKind::rcpt:
        engine.reply(ReplyView{250, "2.1.5", "Accepted"});
        break;
      case EventKind::body_start:
        engine.reply(ReplyView{354, "", "Enter message"});
        break;
      case EventKind::body_end:
        engine.reply(ReplyView{250, "2.0.0", "OK"});
        break;
      case EventKind::quit:
        engine.reply(ReplyView{221, "2.0.0", "bye"});
        break;
      default:
        break;
    }
  }
}

void session_of_one_message(benchmark::State& state) {
  const std::string message = message_text() + ".\r\n";
  const Offer offer = wide_offer();
  for (auto _ : state) {
    ServerEngine engine{ServerLimits{}};
    engine.set_offer(offer);
    engine.greet("mx.test ESMTP");
    size_t sent = run_events(engine);
    for (const std::string_view line :
         {std::string_view("EHLO source.test\r\n"),
          std::string_view("MAIL FROM:<a@source.test>\r\n"),
          std::string_view("RCPT TO:<b@sink.test>\r\n"), std::string_view("DATA\r\n"),
          std::string_view(message), std::string_view("QUIT\r\n")}) {
      engine.receive(line);
      sent += run_events(engine);
    }
    benchmark::DoNotOptimize(sent);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(session_of_one_message);

void command_batch(benchmark::State& state) {
  const Offer offer = wide_offer();
  ServerLimits limits;
  limits.max_messages = 0;
  limits.max_nonmail = UINT32_MAX;
  ServerEngine engine{limits};
  engine.set_offer(offer);
  engine.greet("mx.test ESMTP");
  run_events(engine);
  engine.receive("EHLO source.test\r\n");
  run_events(engine);
  for (auto _ : state) {
    engine.receive("MAIL FROM:<a@source.test>\r\nRCPT TO:<b@sink.test>\r\nRSET\r\n");
    benchmark::DoNotOptimize(run_events(engine));
  }
  state.SetItemsProcessed(3 * state.iterations());
}
BENCHMARK(command_batch);

}  // namespace
}  // namespace godwit::smtp
