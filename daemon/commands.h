// What the command line can ask for: each command is a function from it to an exit status.
#pragma once

#include "daemon/command_line.h"
#include "daemon/server_config.h"

#include <memory>

namespace godwit::daemon {

int run_command(const CommandLine& line);

using ConfigPointer = std::shared_ptr<const ServerConfig>;

// queue_commands.cc: -bp and its kin, -bpc, -q, -R, -S
int list_queue(const CommandLine& line, const ConfigPointer& config);
int count_queue(const CommandLine& line, const ConfigPointer& config);
int run_queue(const CommandLine& line, const ConfigPointer& config);

// message_commands.cc: -M..., -Mv...
int act_on_messages(const CommandLine& line, const ConfigPointer& config);
int show_messages(const CommandLine& line, const ConfigPointer& config);

// submission.cc: -bm, -t
int submit_message(const CommandLine& line, const ConfigPointer& config);

// smtp_submission.cc: -bs, -bS
int submit_smtp(const CommandLine& line, const ConfigPointer& config);

// test_session.cc: -bh
int test_session(const CommandLine& line, const ConfigPointer& config);

// expansion_commands.cc: -be, -bem
int expand_strings(const CommandLine& line, const ConfigPointer& config);

// address_commands.cc: -bt, -bv, -bvs, -brw
int try_addresses(const CommandLine& line, const ConfigPointer& config);

// retry_command.cc: -brt
int test_retry(const CommandLine& line, const ConfigPointer& config);

// explain.cc: --explain
int explain(const CommandLine& line, const ConfigPointer& config);

// Tells a running daemon to look for shards without owner; false where there is none.
bool tell_daemon_to_adopt(const ServerConfig& config);

}  // namespace godwit::daemon
