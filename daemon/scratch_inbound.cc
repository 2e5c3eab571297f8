#include "daemon/scratch_inbound.h"

#include <cstdio>
#include <utility>

namespace godwit::daemon {
namespace {

ConfigPointer with_spool(const ServerConfig& config, const std::string& directory) {
  auto out = std::make_shared<ServerConfig>(config);
  out->spool_directory = directory;
  return out;
}

Task<bool> converse(Inbound& inbound, ByteStream& client, SessionOrigin origin) {
  SmtpSession session(inbound, client, std::move(origin));
  co_await session.run();
  co_return true;
}

}  // namespace

ScratchInbound::ScratchInbound(const ConfigPointer& config, Log& log)
    : config_(with_spool(*config, scratch_.path())),
      shard_(config_),
      log_(log),
      counts_(ConnectionCounts::make_private()) {}

bool ScratchInbound::open(bool with_callouts) {
  const Result<void> opened = shard_.open(own_shard_name());
  if (!opened) {
    std::fprintf(stderr, "godwit: no temporary spool: %s\n", opened.error().to_string().c_str());
    return false;
  }
  const InboundServices services{shard_.loop(),
                                 shard_.store(),
                                 shard_.queue(),
                                 log_,
                                 shard_.ids(),
                                 *counts_,
                                 shard_.evaluators().get(),
                                 shard_.tls_contexts(),
                                 shard_.evaluators().names().hosts()};
  if (!with_callouts) shard_.evaluators().callouts().omit();
  inbound_.emplace(config_, services);
  return true;
}

void ScratchInbound::run(ByteStream& client, const Endpoint& peer, acl::Trace& trace,
                         SessionFacts* facts) {
  SessionOrigin origin;
  origin.peer = peer;
  origin.local = Endpoint{*IpAddress::parse("127.0.0.1"), 25};
  origin.is_test = true;
  origin.trace = &trace;
  origin.facts = facts;
  shard_.wait(converse(*inbound_, client, std::move(origin)));
}

}  // namespace godwit::daemon
