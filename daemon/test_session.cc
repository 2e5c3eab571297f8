// -bh: an SMTP session on standard input as if from some host. ACLs run and are shown as they run;
// what is accepted goes to a spool of its own that is thrown away.
#include "core/base/ascii.h"
#include "core/io/stdio_stream.h"
#include "daemon/commands.h"
#include "daemon/scratch_inbound.h"
#include "daemon/trace_text.h"

#include <cstdio>
#include <optional>

namespace godwit::daemon {
namespace {

constexpr uint16_t kClientPort = ScratchInbound::kClientPort;

// "192.0.2.1", "192.0.2.1.25", "[192.0.2.1]:25".
std::optional<Endpoint> parse_host(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const Result<IpAddress> address = IpAddress::parse(text.substr(1, close - 1));
    const std::string_view rest = text.substr(close + 1);
    const std::optional<uint64_t> port = rest.starts_with(':')
                                             ? parse_decimal(rest.substr(1))
                                             : std::optional<uint64_t>(kClientPort);
    if (!address || !port || *port > 65535) return std::nullopt;
    return Endpoint{*address, static_cast<uint16_t>(*port)};
  }
  if (const Result<IpAddress> whole = IpAddress::parse(text)) return Endpoint{*whole, kClientPort};
  const size_t dot = text.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const Result<IpAddress> address = IpAddress::parse(text.substr(0, dot));
  const std::optional<uint64_t> port = parse_decimal(text.substr(dot + 1));
  if (!address || !port || *port > 65535) return std::nullopt;
  return Endpoint{*address, static_cast<uint16_t>(*port)};
}

}  // namespace

int test_session(const CommandLine& line, const ConfigPointer& config) {
  const std::optional<Endpoint> peer = parse_host(line.test_host);
  if (!peer) {
    std::fprintf(stderr, "godwit: -bh needs an IP address, not \"%s\"\n", line.test_host.c_str());
    return 1;
  }
  TestLog log;
  ScratchInbound inbound(config, log);
  if (!inbound.open(line.test_callouts)) return 1;
  std::fprintf(stderr,
               "\n**** SMTP testing session as if from host %s\n"
               "**** but without any ident (RFC 1413) callback.\n"
               "**** This is not for real!\n\n",
               peer->address.to_string().c_str());
  TextTrace trace(*inbound.config()->document.sources, line.debug);
  inbound.shard().evaluators().names().show(&trace);
  StdioStream stream(false);
  inbound.run(stream, *peer, trace, nullptr);
  return 0;
}

}  // namespace godwit::daemon
