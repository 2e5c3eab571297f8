// AclRun: one evaluation of an ACL and of those that it calls. The functions of the rows work on
// it. Lives for one call of Acls::evaluate. Nothing here waits: a condition that will have to ask
// gets its answer before run_condition() calls the row's function, which is the only place that has
// to change.
#pragma once

#include "acl/expand/trace.h"
#include "acl/policy/acl.h"
#include "acl/policy/rows.h"
#include "acl/policy/statement.h"

#include <string>
#include <string_view>

namespace godwit::acl {

class AclRun {
 public:
  AclRun(const Acls& acls, AclWhere where, EvalContext& context)
      : acls_(acls), where_(where), context_(context), outer_(context.acl_run) {
    context.acl_run = this;
  }
  ~AclRun() { context_.acl_run = outer_; }
  AclRun(const AclRun&) = delete;
  AclRun& operator=(const AclRun&) = delete;

  // Runs `call` and fills the outcome.
  AclOutcome run(const AclCall& call);
  // The same for an ACL by its name, for ${acl: what it does to the message counts for the run
  // around it.
  Answer run_named(std::string_view name, std::vector<std::string> args, std::string& message);

  // For the functions of rows.
  AclWhere where() const noexcept { return where_; }
  EvalContext& context() noexcept { return context_; }
  // Whether the value of the condition or modifier under way came from outside.
  bool is_value_tainted() const noexcept { return value_tainted_; }
  AclEffects& effects() noexcept { return outcome_.effects; }
  AclOutcome& outcome() noexcept { return outcome_; }
  Answer call(const AclCall& call);
  // Could not be decided, or not be understood: the reason goes to the log.
  Answer defer(std::string reason);
  Answer error(std::string reason);
  // Does not hold, and says why: the texts are used where the ACL gives no others. An empty
  // `log`: as `user`.
  Answer fail(std::string user, std::string log = {});
  // Could not be decided, with words for the client.
  Answer defer(std::string user, std::string log);
  // What a verification said is $acl_verify_message from now on.
  void keep_verify_message() {
    if (!user_message_.empty()) context_.acl_verify_message = user_message_;
  }
  // Matches `list` and, where it matches, puts its data into `data`.
  Answer match(const AclCondition& condition, const ListSubject& subject, std::string* data);

 private:
  Answer run_acl(const CompiledAcl& acl);
  Answer run_statement(const AclStatement& statement, bool& endpass);
  Answer run_condition(const AclStatement& statement, const AclCondition& condition);
  Answer test_condition(const AclStatement& statement, const AclCondition& condition);
  void take_messages(const VerbRow& verb, Answer answer, bool endpass, const AclCondition* message,
                     const AclCondition* log_message);
  bool expand_message(const AclCondition& condition, std::string& out);
  void warn(Answer answer);
  const CompiledAcl* resolve(const AclCall& call, std::vector<std::string>& args,
                             std::string& problem);
  void finish(Answer answer);
  void write_lines();
  void tell(const TraceEvent& event) {
    if (context_.trace != nullptr) context_.trace->event(event);
  }
  Answer run_traced(const CompiledAcl& acl);

  const Acls& acls_;
  AclWhere where_;
  EvalContext& context_;
  AclRun* outer_;
  AclOutcome outcome_;
  std::string user_message_;  // of the statement under way, or of the ACL that it called
  std::string log_message_;
  bool value_tainted_ = false;
  bool log_message_given_ = false;  // by log_message, not taken from the user message
  int depth_ = 0;
};

// Splits "550 5.7.1 text" off `message` where it begins with a code of the same class as `verdict`.
// A code of another class is taken off and reported in `problem`.
void take_reply_code(AclVerdict verdict, std::string& message, int& code, std::string& enhanced,
                     std::string& problem);

// A text for a client as lines: long ones are cut at blanks, best behind a colon; empty ones go.
std::string reply_lines(std::string_view text);

// Splits the lines of an add_header value into headers; text without a name gets X-ACL-Warn.
std::vector<HeaderAddition> parse_added_headers(std::string_view value);
// Adds the header lines of `value`, without those that are there already.
void add_headers(AclRun& run, std::string_view value);
// "main,reject" or "main:reject"; nothing where a word is wrong.
std::optional<uint8_t> parse_log_targets(std::string_view text, char separator) noexcept;

}  // namespace godwit::acl
