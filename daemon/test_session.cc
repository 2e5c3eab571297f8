// -bh: an SMTP session on standard input as if from some host. ACLs run and are shown as they run;
// what is accepted goes to a spool of its own that is thrown away.
#include "core/io/stdio_stream.h"
#include "daemon/commands.h"
#include "daemon/scratch_inbound.h"
#include "daemon/sender_claims.h"
#include "daemon/trace_text.h"

#include <cstdio>
#include <optional>

namespace godwit::daemon {
int test_session(const CommandLine& line, const ConfigPointer& config) {
  const std::optional<Endpoint> peer = parse_host(line.test_host, ScratchInbound::kClientPort);
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
  StdioStream stream(inbound.shard().loop().clock(), false);
  inbound.run(stream, *peer, trace, nullptr);
  return 0;
}

}  // namespace godwit::daemon
