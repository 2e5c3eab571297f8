// Who hands a message over on the command line, and what that user may say of itself.
#pragma once

#include "acl/policy/message_id_words.h"
#include "daemon/command_line.h"
#include "daemon/commands.h"
#include "daemon/local_shard.h"

#include <string>

namespace godwit::daemon {

struct Submitter {
  std::string login;
  std::string full_name;
  bool is_trusted = false;      // root, exim_user, trusted_users, trusted_groups
  bool may_set_sender = false;  // untrusted_set_sender has the address of -f
  acl::MessageIdWords message_id;
};

// Asks what the configuration says of the user that runs this program.
Submitter find_submitter(const CommandLine& line, const ConfigPointer& config, LocalShard& shard);

}  // namespace godwit::daemon
