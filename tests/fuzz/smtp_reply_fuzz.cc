// A hostile server: the client engine always comes to an end, every recipient has an outcome, and
// nothing but well-formed lines is ever sent; no body goes to a server that is only believed to
// take it.
#include "core/base/assert.h"
#include "protocol/smtp/client_engine.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace godwit;

smtp::Transaction make_transaction(uint8_t options) {
  smtp::Transaction result;
  result.sender = "a@a.example";
  result.recipients = {{"b@b.example", smtp::kNotifyFailure, "rfc822;b@b.example"},
                       {"c@b.example", 0, {}}};
  result.body_bytes = 10;
  result.use_bdat = (options & 1) != 0;
  result.use_prdr = (options & 32) != 0;
  return result;
}

// False when the session is over.
bool handle(smtp::ClientEngine& engine, const smtp::ClientEvent& event, int& messages,
            uint8_t options) {
  switch (event.kind) {
    case smtp::ClientEventKind::ready:
      if ((options & 16) != 0 && messages == 3 &&
          !engine.capabilities().has(smtp::Extension::size)) {
        --messages;
        engine.starttls();
      } else if (messages-- > 0) {
        engine.begin(make_transaction(options));
      } else {
        engine.quit();
      }
      return true;
    case smtp::ClientEventKind::tls_ready:
      engine.tls_started();
      return true;
    case smtp::ClientEventKind::tls_refused:
      if (messages-- > 0) {
        engine.begin(make_transaction(options));
      } else {
        engine.quit();
      }
      return true;
    case smtp::ClientEventKind::send_body:
      GODWIT_ASSERT(!engine.believes());
      engine.body_sent();
      return true;
    case smtp::ClientEventKind::transaction_done:
      GODWIT_ASSERT(engine.outcomes().size() == 2);
      return true;
    case smtp::ClientEventKind::need_input: {
      smtp::Transaction next = make_transaction(options);
      if (engine.under_way() == 0 || messages == 0 || !engine.may_begin(next)) return false;
      --messages;
      engine.begin(std::move(next));
      return true;
    }
    case smtp::ClientEventKind::session_failed:
      GODWIT_ASSERT(engine.under_way() == 0);
      return false;
    default:
      return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  smtp::ClientOptions options{.helo_name = "client.example"};
  options.lmtp = (data[0] & 2) != 0;
  options.use_pipelining = (data[0] & 4) != 0;
  if ((data[0] & 64) != 0) options.pipeline_depth = 3;
  if ((data[0] & 128) != 0) {
    options.known = smtp::parse_capabilities("mx\nPIPELINING\nPIPECONNECT\nCHUNKING\nSTARTTLS");
    options.known_in_tls = smtp::parse_capabilities("mx\nPIPELINING\nPIPECONNECT\nPRDR\nDSN");
  }
  smtp::ClientEngine engine(options);
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t piece = (data[0] & 8) != 0 ? 1 : size;
  int messages = 3;
  bool fact_told = false;
  for (size_t at = 0; true; at += piece) {
    if (at < input.size()) engine.receive(input.substr(at, piece));
    smtp::ClientEvent event = engine.next();
    while (handle(engine, event, messages, data[0])) event = engine.next();
    const std::string output = engine.take_output();
    GODWIT_ASSERT(output.empty() || output.ends_with("\r\n"));
    if (event.kind != smtp::ClientEventKind::need_input) return 0;
    if (at < input.size()) continue;
    GODWIT_ASSERT(!fact_told);
    fact_told = true;
    engine.peer_closed();
  }
}
