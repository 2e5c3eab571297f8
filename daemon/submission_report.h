// What a user is told of a submission that fails: a message to the sender, or a line on standard
// error, as -oem and its kin say. Used by: -bm, -t.
#pragma once

#include "daemon/commands.h"
#include "daemon/local_shard.h"

#include <string>
#include <string_view>

namespace godwit::daemon {

struct SubmissionFailure {
  std::string subject;   // what follows "Mail failure - "
  std::string text;      // a sentence or more, for the sender
  std::string sentence;  // one line, for standard error
};

// How errors of prepare_submission() read.
SubmissionFailure failure_of(const Error& error);

class SubmissionReporter {
 public:
  // `input` is the message as it came, `id` its id.
  SubmissionReporter(const CommandLine& line, const ConfigPointer& config, LocalShard& shard,
                     std::string shard_name, std::string sender)
      : line_(line),
        config_(config),
        shard_(shard),
        shard_name_(std::move(shard_name)),
        sender_(std::move(sender)) {}

  bool prints() const noexcept { return line_.error_report == ErrorReport::print; }
  // Tells the user; gives the exit status of a command that ends with this. Where a message was
  // written, is_open() holds: the shard needs somebody to deliver it.
  int tell(const SubmissionFailure& failure, std::string_view input, const std::string& id);
  bool is_open() const noexcept { return is_open_; }
  // Opens the shard, once.
  Result<void> open();

 private:
  const CommandLine& line_;
  const ConfigPointer& config_;
  LocalShard& shard_;
  std::string shard_name_;
  std::string sender_;
  bool is_open_ = false;
};

}  // namespace godwit::daemon
