// Both ends of a TLS stream that is given garbage: during the handshake, or behind a good one with
// the bytes of the peer spoilt. It ends in an error or waits; it never answers what was not said.
#include "core/base/assert.h"
#include "core/io/scope.h"
#include "tests/support/memory_stream.h"
#include "tls/context.h"
#include "tls/tls_stream.h"

#include <optional>
#include <string_view>

namespace {

using namespace godwit;

constexpr WallTime kNow = WallTime::from_seconds(1'800'000'000);

std::shared_ptr<const tls::ServerContext> server_context() {
  static const auto made = [] {
    tls::ServerSettings settings;
    settings.host_name = "fuzz.test";
    settings.alpn = "smtp";
    return *tls::ServerContext::load(settings, nullptr, kNow);
  }();
  return made;
}

std::shared_ptr<const tls::ClientContext> client_context() {
  static const auto made = *tls::ClientContext::load({});
  return made;
}

struct Play {
  explicit Play(std::unique_ptr<tls::Engine> engine) : stream(inner, std::move(engine)) {}
  ~Play() {
    stream.close();
    GODWIT_ASSERT(scope.running() == 0);
  }
  Task<void> run() {
    for (;;) {
      const Result<tls::Handshake> state = co_await stream.handshake();
      if (!state) co_return;
      if (*state == tls::Handshake::done) break;
    }
    open = true;
    for (;;) {
      const Result<std::string_view> got = co_await stream.read();
      if (!got || got->empty()) co_return;
      plaintext.append(*got);
    }
  }

  test::MemoryStream inner;
  tls::TlsStream stream;
  Scope scope;
  bool open = false;
  std::string plaintext;
};

std::unique_ptr<tls::Engine> make_server() {
  tls::ServerSession session;
  session.now = kNow;
  session.asks_for_context = true;
  return tls::Engine::make_server(server_context(), session);
}

std::unique_ptr<tls::Engine> make_client() {
  tls::ClientSession session;
  session.now = kNow;
  session.verify = tls::Verify::no;
  session.sni = "fuzz.test";
  session.request_ocsp = true;
  return std::move(*tls::Engine::make_client(client_context(), session));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const bool is_server = (data[0] & 1) != 0;
  const bool is_spoilt = (data[0] & 2) != 0;
  const size_t after = data[1];
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  Play play(is_server ? make_server() : make_client());
  if ((data[0] & 4) != 0) play.inner.set_read_size_max(1);
  play.scope.spawn(play.run());
  if (is_spoilt) {
    // A real peer, whose bytes are good up to one of them.
    const auto peer = is_server ? make_client() : make_server();
    size_t sent = 0;
    for (int turn = 0; turn < 6; ++turn) {
      peer->handshake();
      std::string output = peer->take_output();
      if (sent <= after && after < sent + output.size())
        output[after - sent] = static_cast<char>(output[after - sent] ^ bytes.front());
      sent += output.size();
      play.inner.push(output);
      peer->receive(play.inner.take_written());
    }
  }
  const bool was_open = play.open;
  play.inner.push(bytes);
  // Nobody can make plaintext without the keys.
  GODWIT_ASSERT(play.plaintext.empty());
  GODWIT_ASSERT(was_open || !play.open);
  play.inner.push_end();
  return 0;
}
