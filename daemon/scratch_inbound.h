// What -bh and --explain run a session in: an Inbound over a spool that goes away with it. Nothing
// is kept, nobody is called unless asked for, and connections of the daemon are not counted.
#pragma once

#include "daemon/commands.h"
#include "daemon/inbound.h"
#include "daemon/local_shard.h"
#include "daemon/scratch_directory.h"
#include "daemon/smtp_session.h"

#include <memory>
#include <optional>

namespace godwit::daemon {

class ScratchInbound {
 public:
  inline static constexpr uint16_t kClientPort = 12345;  // where a client is named without one

  // `log` outlives the object.
  ScratchInbound(const ConfigPointer& config, Log& log);
  // Otherwise says on standard error why not.
  bool open(bool with_callouts);

  const ConfigPointer& config() const noexcept { return config_; }
  LocalShard& shard() noexcept { return shard_; }
  // A session with `client` as if from `peer`, to its end. Everything passed outlives the call.
  void run(ByteStream& client, const Endpoint& peer, acl::Trace& trace, SessionFacts* facts);

 private:
  ScratchDirectory scratch_;
  ConfigPointer config_;
  LocalShard shard_;
  Log& log_;
  std::unique_ptr<ConnectionCounts> counts_;
  std::optional<Inbound> inbound_;
};

}  // namespace godwit::daemon
