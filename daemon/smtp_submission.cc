// Mail from local processes in SMTP on standard input: -bs, a dialogue, and -bS, a batch whose
// replies nobody reads.
#include "core/base/ascii.h"
#include "core/io/stdio_stream.h"
#include "daemon/commands.h"
#include "daemon/explain_keeper.h"
#include "daemon/hand_over.h"
#include "daemon/local_shard.h"
#include "daemon/sender_claims.h"
#include "daemon/smtp_session.h"
#include "daemon/submitter.h"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>

namespace godwit::daemon {
namespace {

// What a session leaves behind.
struct Conversation {
  uint32_t accepted = 0;
  bool was_cut_off = false;
  std::optional<SmtpSession::BatchFailure> failure;
};

Task<Conversation> converse(Inbound& inbound, StdioStream& stream, SessionOrigin origin) {
  SmtpSession session(inbound, stream, std::move(origin));
  co_await session.run();
  co_return Conversation{session.messages_accepted(), session.was_cut_off(),
                         session.batch_failure()};
}

Task<bool> join(ExplainKeeper& keeper) {
  co_await keeper.join();
  co_return true;
}

// For the program that wrote the batch on standard output, for a reader on standard error.
void tell_batch_failure(const Conversation& done) {
  const SmtpSession::BatchFailure& failure = *done.failure;
  const std::string command = escape_control(failure.command);
  std::printf("%s\nTransaction started in line %" PRIu64 "\nError detected in line %" PRIu64 "\n",
              failure.reply.c_str(), failure.transaction_line, failure.line);
  if (!command.empty()) std::printf("%s\n", command.c_str());
  std::fprintf(stderr,
               "godwit: a batch of SMTP commands ended with an error in line %" PRIu64
               " (its transaction began in line %" PRIu64 "):\n\n  %s\n\n",
               failure.line, failure.transaction_line, failure.reply.c_str());
  if (!command.empty()) std::fprintf(stderr, "The command was:\n\n  %s\n\n", command.c_str());
  std::fprintf(stderr, "%" PRIu32 " previous message%s accepted, the rest was not looked at.\n",
               done.accepted, done.accepted == 1 ? " was" : "s were");
}

int status_of(const Conversation& done) {
  if (done.failure) return done.accepted > 0 ? 1 : 2;
  return done.was_cut_off ? 1 : 0;
}

}  // namespace

int submit_smtp(const CommandLine& line, const ConfigPointer& config) {
  const std::string shard_name = own_shard_name();
  const std::unique_ptr<ConnectionCounts> counts = ConnectionCounts::make_private();
  Conversation done;
  {
    LocalShard shard(config);
    const Result<void> opened = shard.open(shard_name);
    if (!opened) {
      std::fprintf(stderr, "godwit: cannot write the spool: %s\n",
                   opened.error().to_string().c_str());
      return 1;
    }
    const Submitter who = find_submitter(line, config, shard);
    Result<SenderClaims> claims = claims_of(line, who);
    if (!claims) {
      std::fprintf(stderr, "godwit: %s\n", claims.error().detail().c_str());
      return 1;
    }
    SessionOrigin origin;
    origin.peer = claims->peer;
    origin.local = claims->local;
    origin.claimed = std::move(claims->names);
    origin.login = who.login;
    origin.uid = getuid();
    origin.gid = getgid();
    origin.is_stdio = true;
    origin.is_batch = line.mode == Mode::batch_smtp;
    origin.queue_only = line.delivery == DeliveryMode::queue_only;
    origin.overrides_queue_only =
        line.delivery_given && config->options().queue_only_override && !origin.queue_only;
    StdioStream stream(shard.loop().clock(), origin.is_batch);
    ExplainKeeper keeper(shard.loop(), *config->document.sources, config->spool_directory,
                         config->explain_share);
    const InboundServices services{shard.loop(),
                                   shard.store(),
                                   shard.queue(),
                                   shard.log(),
                                   shard.ids(),
                                   *counts,
                                   shard.evaluators().get(),
                                   shard.tls_contexts(),
                                   shard.evaluators().names().hosts(),
                                   nullptr,
                                   config->explain_share > 0 ? &keeper : nullptr};
    Inbound inbound(config, services);
    std::unique_ptr<acl::TraceRecord> record;
    if (services.explain != nullptr) {
      record = services.explain->begin_connection();
      origin.trace = origin.record = record.get();
    }
    done = shard.wait(converse(inbound, stream, std::move(origin)));
    shard.wait(join(keeper));
  }
  if (done.accepted > 0) hand_over(line, config, shard_name, line.delivery);
  if (done.failure) tell_batch_failure(done);
  return status_of(done);
}

}  // namespace godwit::daemon
