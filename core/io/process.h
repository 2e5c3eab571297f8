// A child process as a task: arguments, bytes for its standard input, bounded output, a deadline.
// Used by ${run, the pipe transport and queryprogram. The child leads a process group of its own,
// and all of the group is killed where the deadline passes, the output is too long or the caller
// cancels; the task completes when the child is gone and its pipes are closed.
// Errors: why it could not be started (not_found, permission_denied), timed_out, too_long (output),
// cancelled. How it ended, well or not, is an outcome and no error.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/io/cancel.h"
#include "core/io/loop.h"
#include "core/io/task.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace godwit {

inline constexpr size_t kProcessOutputBytesDefault = 1u << 20;

struct ProcessOptions {
  std::vector<std::string> arguments;  // the first is the program: a path, PATH is not searched
  // NAME=value. Nothing: the environment of this process.
  std::optional<std::vector<std::string>> environment;
  std::string directory;  // empty: the current one
  std::string input;
  bool merge_error = false;  // standard error goes where standard output goes
  size_t output_bytes_max = kProcessOutputBytesDefault;  // of both together
  Millis timeout{60'000};
  CancelSource* cancel = nullptr;
  std::optional<uint32_t> user;  // to run as; needs root
  std::optional<uint32_t> group;
  bool initgroups = false;  // with the additional groups that `user` has; without it there are none
  std::optional<uint32_t> umask;  // nothing: that of this process
  // Standard input and output of the child, in place of `input` and output; the caller's to close.
  int socket = -1;
};

struct ProcessOutcome {
  int exit_status = 0;
  int signal = 0;  // that killed it; 0: it exited
  std::string output;
  std::string error_output;
};

Task<Result<ProcessOutcome>> run_process(Loop& loop, ProcessOptions options);

// "exited with 0", "killed by signal 9", or why it could not run: for people.
std::string ended_how(const Result<ProcessOutcome>& outcome);

}  // namespace godwit
