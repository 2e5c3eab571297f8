// Evaluation of compiled ACLs: EXIM.md 2.4. Facts in, verdict and effects out.
#include "acl/policy/run.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace godwit::acl {
namespace {

// Words between white space; "..." keeps it inside one.
std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  size_t i = 0;
  for (;;) {
    while (i < text.size() && is_space(text[i])) ++i;
    if (i == text.size()) return words;
    std::string& word = words.emplace_back();
    const bool in_quotes = text[i] == '"';
    if (in_quotes) ++i;
    for (; i < text.size() && !(in_quotes ? text[i] == '"' : is_space(text[i])); ++i) {
      if (in_quotes && text[i] == '\\' && i + 1 < text.size()) ++i;
      word += text[i];
    }
    if (in_quotes && i < text.size()) ++i;
  }
}

// `rc` of a condition that is written with '!'.
Answer negate(Answer answer) {
  if (answer == Answer::yes) return Answer::no;
  if (answer == Answer::no || answer == Answer::drop) return Answer::yes;
  return answer;
}

AclVerdict verdict_of(Answer answer) {
  switch (answer) {
    case Answer::yes:
      return AclVerdict::accept;
    case Answer::no:
      return AclVerdict::deny;
    case Answer::drop:
      return AclVerdict::drop;
    case Answer::discard:
      return AclVerdict::discard;
    case Answer::defer:
    case Answer::error:
      return AclVerdict::defer;
  }
  return AclVerdict::defer;
}

// How a trace names the end of a statement.
std::string_view outcome_name(Answer answer) noexcept {
  switch (answer) {
    case Answer::yes:
      return "succeeded";
    case Answer::no:
      return "failed";
    case Answer::discard:
      return "yielded \"discard\"";
    case Answer::drop:
      return "yielded \"drop\"";
    case Answer::defer:
      return "deferred";
    case Answer::error:
      break;
  }
  return "error";
}

// How a trace names what a condition says.
std::string_view answer_word(Answer answer) noexcept {
  switch (answer) {
    case Answer::yes:
      return "yes";
    case Answer::no:
      return "no";
    case Answer::drop:
      return "drop";
    case Answer::discard:
      return "discard";
    case Answer::defer:
      return "deferred";
    case Answer::error:
      break;
  }
  return "error";
}

// "ACCEPT": how a trace names what an ACL says.
std::string_view answer_name(Answer answer) noexcept {
  switch (answer) {
    case Answer::yes:
      return "ACCEPT";
    case Answer::no:
      return "DENY";
    case Answer::drop:
      return "DROP";
    case Answer::discard:
      return "DISCARD";
    case Answer::defer:
      return "DEFER";
    case Answer::error:
      return "ERROR";
  }
  return "ERROR";
}

}  // namespace

AclOutcome Acls::evaluate(const AclCall& call, AclWhere where, EvalContext& context) const {
  // Lists leave $1 ... to the statements that follow, not to the next ACL.
  context.captures.clear();
  return AclRun(*this, where, context).run(call);
}

AclCaller::Verdict Acls::call_acl(std::string_view name, std::vector<std::string> args,
                                  EvalContext& context, std::string& message) const {
  const AclWhere where = context.acl_run != nullptr   ? context.acl_run->where()
                         : context.address != nullptr ? AclWhere::rcpt
                                                      : AclWhere::not_smtp;
  AclRun run(*this, where, context);
  switch (run.run_named(name, std::move(args), message)) {
    case Answer::yes:
    case Answer::discard:
      return Verdict::accept;
    case Answer::no:
    case Answer::drop:
      return Verdict::deny;
    case Answer::defer:
      return Verdict::defer;
    case Answer::error:
      break;
  }
  return Verdict::error;
}

Answer AclRun::run_named(std::string_view name, std::vector<std::string> args,
                         std::string& message) {
  const auto found = acls_.by_name_.find(name);
  if (found == acls_.by_name_.end()) {
    message = "there is no ACL " + quoted(name);
    return Answer::error;
  }
  const DepthGuard guard(context_);
  if (guard.too_deep() || args.size() > kAclArgsMax) {
    message = "ACLs call each other too deeply, or with too many arguments";
    return Answer::error;
  }
  std::swap(context_.acl_args, args);
  const Answer answer = run_traced(*found->second);
  std::swap(context_.acl_args, args);
  message = answer == Answer::error || answer == Answer::defer ? log_message_ : user_message_;
  if (outer_ == nullptr) {
    write_lines();
    return answer;
  }
  AclEffects& around = outer_->outcome_.effects;
  AclEffects& mine = outcome_.effects;
  std::move(mine.headers_added.begin(), mine.headers_added.end(),
            std::back_inserter(around.headers_added));
  std::move(mine.headers_removed.begin(), mine.headers_removed.end(),
            std::back_inserter(around.headers_removed));
  std::move(mine.log_writes.begin(), mine.log_writes.end(), std::back_inserter(around.log_writes));
  around.delay.count += mine.delay.count;
  return answer;
}

// No ACL around this one takes the lines with its effects.
void AclRun::write_lines() {
  if (context_.services == nullptr || context_.services->log == nullptr) return;
  const std::string_view id =
      context_.message == nullptr ? std::string_view() : context_.message->id;
  for (const LogWrite& line : outcome_.effects.log_writes) {
    if (line.selector) continue;
    context_.services->log->write({LogEvent::note, log_files_of(line.targets), id, line.text, {}});
  }
}

AclOutcome AclRun::run(const AclCall& acl_call) {
  finish(call(acl_call));
  return std::move(outcome_);
}

void AclRun::finish(Answer answer) {
  outcome_.verdict = verdict_of(answer);
  // `drop` has no connection to close outside SMTP.
  const bool no_smtp = where_ == AclWhere::not_smtp || where_ == AclWhere::not_smtp_start;
  if (outcome_.verdict == AclVerdict::drop && no_smtp) outcome_.verdict = AclVerdict::deny;
  std::string problem;
  take_reply_code(outcome_.verdict, user_message_, outcome_.reply_code, outcome_.enhanced_status,
                  problem);
  if (!problem.empty()) {
    outcome_.effects.log_writes.push_back(
        {static_cast<uint8_t>(LogTarget::main) | static_cast<uint8_t>(LogTarget::panic), false,
         std::move(problem)});
  }
  outcome_.user_message = reply_lines(user_message_);
  outcome_.log_message = std::move(log_message_);
}

Answer AclRun::defer(std::string reason) {
  log_message_ = std::move(reason);
  user_message_.clear();
  return Answer::defer;
}

Answer AclRun::defer(std::string user, std::string log) {
  user_message_ = std::move(user);
  log_message_ = std::move(log);
  return Answer::defer;
}

Answer AclRun::fail(std::string user, std::string log) {
  log_message_ = log.empty() ? user : std::move(log);
  user_message_ = std::move(user);
  return Answer::no;
}

Answer AclRun::error(std::string reason) {
  defer(std::move(reason));
  return Answer::error;
}

Answer AclRun::match(const AclCondition& condition, const ListSubject& subject, std::string* data) {
  ListMatch match = condition.list->match(subject, context_);
  if (match.match == Match::defer) return defer(std::move(match.message));
  if (match.match == Match::no) return Answer::no;
  if (data != nullptr) *data = std::move(match.data);
  return Answer::yes;
}

Answer AclRun::call(const AclCall& acl_call) {
  std::vector<std::string> args;
  std::string problem;
  const CompiledAcl* acl = resolve(acl_call, args, problem);
  if (acl == nullptr) return error(std::move(problem));
  if (depth_ >= kAclDepthMax) return error("ACLs call each other too deeply");
  ++depth_;
  std::swap(context_.acl_args, args);
  const Answer answer = run_traced(*acl);
  std::swap(context_.acl_args, args);
  --depth_;
  return answer;
}

// The ACL that the call names now, and its arguments. A text that is an expansion may name an ACL
// or be a single verb, nothing more: statements are never made from what may have come from
// outside.
const CompiledAcl* AclRun::resolve(const AclCall& acl_call, std::vector<std::string>& args,
                                   std::string& problem) {
  if (acl_call.inline_) return acl_call.inline_.get();
  const EvalResult text = acl_call.text_.evaluate(context_);
  if (!text.ok()) {
    problem = "failed to expand ACL string " + quoted(acl_call.text_.source()) + ": " + text.text;
    return nullptr;
  }
  args = split_words(text.text);
  const std::string name = args.empty() ? std::string() : args.front();
  if (!args.empty()) args.erase(args.begin());
  if (args.size() > kAclArgsMax) {
    problem = "too many arguments for the ACL " + quoted(name);
    return nullptr;
  }
  if (acl_call.target_ != nullptr) return acl_call.target_;
  if (const auto named = acls_.by_name_.find(name); named != acls_.by_name_.end()) {
    return named->second.get();
  }
  const auto verb = acls_.by_verb_.find(name);
  if (verb != acls_.by_verb_.end() && args.empty()) return verb->second.get();
  problem = "there is no ACL " + quoted(name);
  return nullptr;
}

Answer AclRun::run_traced(const CompiledAcl& acl) {
  tell({TraceKind::acl_begin, acl.name, {}, {}, {}});
  const Answer answer = run_acl(acl);
  tell({TraceKind::acl_end, acl.name, {}, answer_name(answer), {}});
  return answer;
}

Answer AclRun::run_acl(const CompiledAcl& acl) {
  for (const AclStatement& statement : acl.statements) {
    user_message_.clear();
    log_message_.clear();
    bool endpass = false;
    const Answer answer = run_statement(statement, endpass);
    if (answer == Answer::error) return answer;
    const bool yes = answer == Answer::yes;
    switch (statement.verb->verb) {
      case Verb::accept:
        if (yes || endpass || answer == Answer::discard || answer == Answer::defer) return answer;
        break;
      case Verb::discard:
        if (yes || answer == Answer::discard) return Answer::discard;
        if (endpass || answer == Answer::defer) return answer;
        break;
      case Verb::defer:
        if (yes || answer == Answer::defer) return Answer::defer;
        break;
      case Verb::deny:
        if (yes) return Answer::no;
        if (answer == Answer::defer) return answer;
        break;
      case Verb::drop:
        if (yes) return Answer::drop;
        if (answer == Answer::defer) return answer;
        break;
      case Verb::require:
        if (!yes) return answer;
        break;
      case Verb::warn:
        warn(answer);
        break;
    }
  }
  return Answer::no;
}

// Conditions and modifiers in textual order, up to the first condition that does not hold.
Answer AclRun::run_statement(const AclStatement& statement, bool& endpass) {
  const AclCondition* message = nullptr;
  const AclCondition* log_message = nullptr;
  Answer answer = Answer::yes;
  tell({TraceKind::statement, statement.verb->name, {}, {}, statement.place});
  for (const AclCondition& condition : statement.conditions) {
    if (condition.row->shape == ValueShape::text)
      tell({TraceKind::message, condition.row->name, condition.shown, {}, {}});
    if (condition.row->name == "message") {
      message = &condition;
    } else if (condition.row->name == "log_message") {
      log_message = &condition;
    } else if (condition.row->shape == ValueShape::none) {
      endpass = true;
    } else {
      answer = run_condition(statement, condition);
    }
    if (answer != Answer::yes) break;
  }
  tell({TraceKind::statement_end, statement.verb->name, {}, outcome_name(answer), {}});
  take_messages(*statement.verb, answer, endpass, message, log_message);
  return answer;
}

Answer AclRun::run_condition(const AclStatement& statement, const AclCondition& condition) {
  const Answer answer = test_condition(statement, condition);
  tell({TraceKind::condition_end, {}, {}, answer_word(answer), {}});
  return answer;
}

Answer AclRun::test_condition(const AclStatement& statement, const AclCondition& condition) {
  const AclRow& row = *condition.row;
  if (context_.trace != nullptr) {
    const std::string name = (condition.negated ? "!" : "") + std::string(row.name) +
                             (condition.variable.empty() ? "" : " " + condition.variable);
    tell({TraceKind::condition, name, condition.shown, {}, {}});
  }
  if ((row.legal & where_bit(where_)) == 0) {
    return error("cannot " + std::string(row.modifier ? "use " : "test ") + std::string(row.name) +
                 (row.modifier ? " modifier in " : " condition in ") +
                 std::string(acl_where_name(where_)) + " ACL");
  }
  EvalResult value;
  if (row.shape == ValueShape::expanded || row.shape == ValueShape::set) {
    value = condition.text.evaluate(context_);
    // A forced failure: as if the line were not there.
    if (value.status == EvalStatus::forced_fail) return Answer::yes;
    if (!value.ok()) {
      std::string reason =
          "failed to expand ACL string " + quoted(condition.text.source()) + ": " + value.text;
      return value.status == EvalStatus::deferred ? defer(std::move(reason))
                                                  : error(std::move(reason));
    }
    if (!condition.text.is_constant()) tell({TraceKind::value, {}, {}, value.text, {}});
  }
  value_tainted_ = value.tainted;
  if (row.run == nullptr && row.modifier) return Answer::yes;
  if (row.run == nullptr)
    return defer("the ACL condition " + quoted(row.name) + " is not available yet");
  const Answer answer = row.run(*this, condition, value.text);
  const Verb verb = statement.verb->verb;
  if (answer == Answer::discard && verb != Verb::accept && verb != Verb::discard) {
    return error("nested ACL returned \"discard\" for " + quoted(statement.verb->name) +
                 " command (only allowed with \"accept\" or \"discard\")");
  }
  return condition.negated ? negate(answer) : answer;
}

// `message` replaces what a condition said; `log_message` stands before it. What conditions said
// counts for nothing where the statement only warns, or accepts.
void AclRun::take_messages(const VerbRow& verb, Answer answer, bool endpass,
                           const AclCondition* message, const AclCondition* log_message) {
  const bool held = answer == Answer::yes;
  const bool failed = answer == Answer::no || answer == Answer::drop;
  log_message_given_ = false;
  if ((held && verb.message_when_true) || (failed && verb.message_when_false)) {
    if (endpass && held) message = nullptr;
    const std::string said = user_message_;
    const std::string logged = log_message_.empty() ? user_message_ : log_message_;
    const bool accepts = verb.verb == Verb::accept || verb.verb == Verb::discard;
    if (verb.verb == Verb::warn || (held && accepts)) {
      user_message_.clear();
      log_message_.clear();
    }
    std::string text;
    context_.acl_verify_message = said;
    if (message != nullptr && expand_message(*message, text) && !text.empty()) user_message_ = text;
    context_.acl_verify_message = logged;
    if (log_message != nullptr && expand_message(*log_message, text) && !text.empty()) {
      log_message_ = log_message_.empty() ? text : text + ": " + log_message_;
      log_message_given_ = true;
    }
    if (log_message_.empty()) log_message_ = user_message_;
  }
  context_.acl_verify_message.clear();
  context_.findings.sender_address_data.clear();
}

bool AclRun::expand_message(const AclCondition& condition, std::string& out) {
  EvalResult value = condition.text.evaluate(context_);
  out = std::move(value.text);
  if (value.ok()) return true;
  if (value.status == EvalStatus::forced_fail) return false;
  outcome_.effects.log_writes.push_back(
      {static_cast<uint8_t>(LogTarget::main) | static_cast<uint8_t>(LogTarget::panic), false,
       "failed to expand ACL message " + quoted(condition.text.source()) + ": " + out});
  return false;
}

void AclRun::warn(Answer answer) {
  const auto main_log = static_cast<uint8_t>(LogTarget::main);
  auto& lines = outcome_.effects.log_writes;
  // The older way to add a header line: `message` of a warn statement.
  if (answer == Answer::yes && !user_message_.empty()) add_headers(*this, user_message_);
  if (answer == Answer::yes && log_message_given_ && !log_message_.empty()) {
    lines.push_back({main_log, true, "Warning: " + log_message_});
  } else if (answer == Answer::defer) {
    std::string text = "Warning: ACL \"warn\" statement skipped: condition test deferred";
    if (!log_message_.empty()) text += ": " + log_message_;
    lines.push_back({main_log, true, std::move(text)});
  }
}

}  // namespace godwit::acl
