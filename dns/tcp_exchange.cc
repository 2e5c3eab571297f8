// Questions over TCP (RFC 7766): one connection for each, few at a time. Only what does not fit
// into a datagram comes here.
#include "dns/lookup.h"
#include "dns/stub_resolver.h"
#include "dns/wire/limits.h"

#include <utility>

namespace godwit::dns {
namespace {

constexpr size_t kLengthBytes = 2;  // before each message

std::string with_length(std::string_view message) {
  std::string out;
  out.push_back(static_cast<char>(message.size() >> 8));
  out.push_back(static_cast<char>(message.size() & 0xff));
  out += message;
  return out;
}

// Reads one message behind its length.
Task<Result<std::string>> read_message(UvStream& stream) {
  std::string bytes;
  for (;;) {
    if (bytes.size() >= kLengthBytes) {
      const size_t length =
          static_cast<size_t>(static_cast<uint8_t>(bytes[0])) << 8 | static_cast<uint8_t>(bytes[1]);
      if (bytes.size() >= kLengthBytes + length) co_return bytes.substr(kLengthBytes, length);
    }
    const Result<std::string_view> read = co_await stream.read();
    if (!read) co_return read.error();
    if (read->empty()) co_return Error(Errc::connection_closed, "in the middle of an answer");
    bytes += *read;
    if (bytes.size() > kLengthBytes + kMessageBytesMax)
      co_return Error(Errc::malformed, "more than one answer");
  }
}

Task<Result<Response>> converse(Loop& loop, TcpExchange& exchange, uint16_t id) {
  const Instant deadline = loop.clock().now() + kTcpExchangeMax;
  ConnectOptions options;
  options.to = exchange.upstream.endpoint();
  options.timeout = kTcpExchangeMax;
  options.cancel = &exchange.cancel;
  Result<std::unique_ptr<UvStream>> connected = co_await connect(loop, options);
  if (!connected) co_return connected.error();
  UvStream& stream = **connected;
  exchange.stream = &stream;
  stream.set_deadline(deadline);
  const std::string query = with_length(encode_query(id, exchange.question, exchange.form));
  Result<void> written = co_await stream.write(query);
  Result<std::string> message{std::string()};
  if (written) message = co_await read_message(stream);
  exchange.stream = nullptr;
  if (!written) co_return written.error();
  if (!message) co_return message.error();
  if (response_id(*message) != id) co_return Error(Errc::malformed, "answer with another id");
  Result<Response> response = parse_response(*message, exchange.question);
  if (response && response->truncated) co_return Error(Errc::malformed, "truncated over TCP");
  co_return response;
}

}  // namespace

void StubResolver::begin_tcp(Lookup& lookup, Upstream& upstream) {
  ++stats_.over_tcp;
  lookup.exchanges.clear();
  lookup.tcp = std::make_shared<TcpExchange>(lookup, upstream, lookup.question);
  lookup.tcp->form.edns = options_.edns && upstream.takes_edns(now());
  lookup.tcp->form.dnssec_ok = options_.dnssec_ok;
  loop_.timers().set(lookup.timer, lookup.give_up_at);
  tcp_waiting_.push_back(lookup.tcp);
  start_waiting_tcp();
}

void StubResolver::start_waiting_tcp() {
  while (tcp_exchanges_ < kTcpExchangesMax && !tcp_waiting_.empty()) {
    std::shared_ptr<TcpExchange> exchange = std::move(tcp_waiting_.front());
    tcp_waiting_.pop_front();
    if (exchange->lookup == nullptr) continue;
    ++tcp_exchanges_;
    scope_.spawn(ask_over_tcp(std::move(exchange)));
  }
}

Task<void> StubResolver::ask_over_tcp(std::shared_ptr<TcpExchange> exchange) {
  Result<Response> response = co_await converse(loop_, *exchange, ids_.next());
  --tcp_exchanges_;
  if (exchange->lookup != nullptr) {
    Lookup& lookup = *exchange->lookup;
    lookup.tcp = nullptr;
    lookup.has_waited = true;
    if (response) {
      take_response(lookup, exchange->upstream, std::move(*response), exchange->form.edns);
    } else {
      lookup.problem_code =
          response.error().is_temporary() ? response.error().code() : Errc::dns_failed;
      lookup.problem =
          "over TCP from " + exchange->upstream.name() + ": " + response.error().to_string();
      next_attempt(lookup);
    }
  }
  start_waiting_tcp();
}

}  // namespace godwit::dns
