// The pipe transport: a command gets the message on its standard input. The command is split into
// words before anything is expanded, so that no address can add one; no shell unless use_shell asks
// for it. EXIM.md, appendix.
#pragma once

#include "delivery/transport/local_text.h"
#include "delivery/transport/transport.h"

#include <string>
#include <vector>

namespace godwit::delivery {

struct PipeOptions {
  config::ExpandText allow_commands;
  config::ExpandText batch_id;
  int64_t batch_max = 1;
  config::ExpandText check_string;
  config::ExpandText command;
  config::ExpandText environment;
  config::ExpandText escape_string;
  bool force_command = false;
  bool freeze_exec_fail = false;
  bool freeze_signal = false;
  bool ignore_status = false;
  bool log_defer_output = false;
  bool log_fail_output = false;
  bool log_output = false;
  int64_t max_output = 0;
  config::ExpandText message_prefix;
  config::ExpandText message_suffix;
  config::ExpandText path;
  bool permit_coredump = false;
  bool pipe_as_creator = false;
  bool restrict_to_path = false;
  bool return_fail_output = false;
  bool return_output = false;
  std::string temp_errors;
  Seconds timeout;
  bool timeout_defer = false;
  config::Mode umask;
  bool use_bsmtp = false;
  bool use_classresources = false;
  bool use_crlf = false;
  bool use_shell = false;
};

// The words of a command: between blanks; quotes keep them together. Where the text is wrong, says
// so.
std::vector<config::LocatedText> split_command(const config::LocatedText& command,
                                               config::Diagnostics& diagnostics);

class PipeTransport final : public Transport {
 public:
  bool is_remote() const noexcept override { return false; }
  Task<DeliveryOutcome> deliver(Loop& loop, LocalDelivery delivery) const override;

 private:
  friend std::unique_ptr<Transport> make_pipe_transport(const config::Instance& instance,
                                                        const TransportCompileContext& context);

  // What evaluation gives, on a fiber, before anything runs.
  struct Plan {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::string path;  // where a command without a slash is looked for
    std::string directory;
    std::string prefix;
    std::string suffix;
    std::string user;
    std::string group;
    MailboxTextOptions text;
    std::string problem;  // not empty: why it cannot be done
  };
  Plan plan(const LocalDelivery& delivery) const;
  bool plan_command(const LocalDelivery& delivery, Plan& plan) const;
  bool plan_text(const LocalDelivery& delivery, Plan& plan) const;
  void plan_environment(const LocalDelivery& delivery, Plan& plan) const;
  DeliveryOutcome judge(const Plan& plan, int exit_status, int signal,
                        const std::string& output) const;
  bool is_temporary(int exit_status) const;

  PipeOptions own_;
  std::vector<acl::Expansion> words_;  // of the command; one where a shell gets it whole
  acl::Expansion path_;
  acl::Expansion environment_;
  acl::Expansion message_prefix_;
  acl::Expansion message_suffix_;
  acl::Expansion check_string_;
  acl::Expansion escape_string_;
  acl::Expansion user_;
  acl::Expansion group_;
  acl::Expansion current_directory_;
  acl::Expansion home_directory_;
  bool fails_temporarily_ = false;  // temp_errors = *
  std::vector<int> temporary_;
};

}  // namespace godwit::delivery
