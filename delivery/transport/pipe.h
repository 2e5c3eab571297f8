// The pipe transport: a command gets the message on its standard input. No shell unless use_shell
// asks for one. EXIM.md, appendix.
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

class PipeTransport final : public Transport {
 public:
  bool is_remote() const noexcept override { return false; }
  Task<DeliveryOutcome> deliver(Loop& loop, LocalDelivery delivery) const override;
  bool fails_on_filter_timeout() const noexcept override { return !own_.timeout_defer; }

 private:
  friend std::unique_ptr<Transport> make_pipe_transport(const config::Instance& instance,
                                                        const TransportCompileContext& context);

  // What evaluation gives, on a fiber, before anything runs.
  struct Plan {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::string path;  // where a command without a slash is looked for
    std::string prefix;
    std::string suffix;
    MailboxTextOptions text;
    std::string problem;      // not empty: why it cannot be done
    bool is_refusal = false;  // and it will not be possible later either
  };
  Plan plan(const LocalDelivery& delivery) const;
  bool plan_command(const LocalDelivery& delivery, Plan& plan) const;
  bool plan_shell(const LocalDelivery& delivery, bool is_named, Plan& plan) const;
  bool check_permitted(const LocalDelivery& delivery, Plan& plan) const;
  bool plan_text(const LocalDelivery& delivery, Plan& plan) const;
  void plan_environment(const LocalDelivery& delivery, Plan& plan) const;
  DeliveryOutcome failed_run(const Plan& plan, const Error& error) const;
  DeliveryOutcome judge(const Plan& plan, int exit_status, int signal,
                        const std::string& output) const;
  bool is_temporary(int exit_status) const;

  PipeOptions own_;
  std::vector<CommandWord> words_;
  acl::Expansion shell_command_;  // use_shell: the whole
  acl::Expansion allow_commands_;
  acl::Expansion path_;
  acl::Expansion environment_;
  acl::Expansion message_prefix_;
  acl::Expansion message_suffix_;
  acl::Expansion check_string_;
  acl::Expansion escape_string_;
  bool fails_temporarily_ = false;  // temp_errors = *
  std::vector<int> temporary_;
};

}  // namespace godwit::delivery
