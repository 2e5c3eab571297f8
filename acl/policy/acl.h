// ACLs: compiled statements, and the pure evaluation that turns facts into a verdict and effects.
// Used by the inbound session at each SMTP command. Acls are immutable and part of CompiledPolicy.
// EXIM.md 2.4 to 2.6. Which condition or modifier is legal where is in the rows of rows.cc.
#pragma once

#include "acl/expand/expansion.h"
#include "acl/expand/services.h"
#include "acl/lists/lists.h"
#include "core/base/time.h"
#include "core/config/diagnostics.h"
#include "core/config/document.h"
#include "core/config/log_selector.h"
#include "core/log/log.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

inline constexpr int kAclDepthMax = 20;               // ACLs that call each other
inline constexpr size_t kAclArgsMax = 9;              // $acl_arg1 ... $acl_arg9
inline constexpr int64_t kAclDelaySecondsMax = 3600;  // of one `delay`

// The moments at which an ACL runs. The order is that of the names in rows.cc.
enum class AclWhere : uint8_t {
  connect,
  helo,
  auth,
  mail,
  mailauth,
  rcpt,
  predata,
  data,
  mime,
  dkim,
  prdr,
  etrn,
  expn,
  vrfy,
  starttls,
  quit,
  notquit,
  not_smtp,
  not_smtp_start,
  wellknown,
  atrn,
};
inline constexpr size_t kAclWhereCount = static_cast<size_t>(AclWhere::atrn) + 1;
// "RCPT", "connection": as log lines and diagnoses say it.
std::string_view acl_where_name(AclWhere where) noexcept;

enum class AclVerdict : uint8_t { accept, discard, deny, drop, defer };

struct HeaderAddition {
  enum class Position : uint8_t { at_end, at_start, after_received, before_other_headers };
  Position position = Position::at_end;
  std::string text;  // "Name: value", may have several lines; no final line end
};

// Bits of a log target: `logwrite`, `log_reject_target`.
enum class LogTarget : uint8_t { main = 1, reject = 2, panic = 4 };
// Bits of LogTarget as files.
LogFiles log_files_of(uint8_t targets) noexcept;
struct LogWrite {
  uint8_t targets = static_cast<uint8_t>(LogTarget::main);
  bool with_host = false;  // the line begins with H=... as rejections do
  std::string text;
  std::optional<config::LogSelector> selector = {};  // only where it is on
};

// What the controls of an ACL asked for. Sticky: the session merges them into connection or
// message.
struct AclControls {
  bool queue_only = false;
  bool first_pass_route = false;
  bool freeze = false;
  bool freeze_no_tell = false;
  bool submission = false;
  bool submission_sender_retain = false;
  std::optional<std::string> submission_domain;  // empty: $authenticated_id is a whole address
  std::string submission_name;
  bool suppress_local_fixups = false;
  bool allow_auth_unadvertised = false;
  bool no_multiline_responses = false;
  bool no_pipelining = false;
  bool no_delay_flush = false;
  bool no_callout_flush = false;
  std::optional<int> utf8_downconvert;  // 1: yes; 0: no; -1: where it must be
  std::optional<bool> enforce_sync;
  std::optional<bool> caseful_local_part;
  std::optional<std::string> fakedefer;  // the text; empty: the default one
  std::optional<std::string> fakereject;
  bool dkim_disable_verify = false;
  bool dmarc_disable_verify = false;
  bool dmarc_enable_forensic = false;
};

struct AclEffects {
  AclControls controls;
  std::vector<HeaderAddition> headers_added;
  std::vector<std::string> headers_removed;  // names, or regular expressions that begin with ^
  std::vector<LogWrite> log_writes;
  Millis delay;                           // all `delay`s together
  std::optional<std::string> queue_name;  // queue = NAME; empty: the default queue
};

// A sender whose verification failed or was deferred: logged, and told before the reply proper, the
// first time in a message.
struct SenderFailure {
  std::string address;
  bool deferred = false;
  std::string log_message;
  std::string user_message;
  std::string failure_kind;
};

struct AclOutcome {
  AclVerdict verdict = AclVerdict::deny;
  // Reply for the client. Code 0: the caller's default for the verdict. `user_message` is without
  // code; empty: the caller's default text. It may have several lines.
  int reply_code = 0;
  std::string enhanced_status;  // "5.7.1"; empty: none given
  std::string user_message;
  // For the log; the user message where the ACL gives no other.
  std::string log_message;
  uint8_t log_reject_targets =
      static_cast<uint8_t>(LogTarget::main) | static_cast<uint8_t>(LogTarget::reject);
  AclEffects effects;
  std::optional<SenderFailure> sender_failure;
};

struct CompiledAcl;  // statements; statement.h

// The value of acl_smtp_* or of `acl =`: a name with arguments, or the text of an ACL.
class AclCall {
 public:
  bool is_set() const noexcept { return is_set_; }

 private:
  friend class Acls;
  friend class AclCompiler;
  friend class AclRun;
  bool is_set_ = false;
  Expansion text_;                             // evaluated at each call
  const CompiledAcl* target_ = nullptr;        // known at load where the text begins with a name
  std::shared_ptr<const CompiledAcl> inline_;  // the ACL itself, where the text is one
};

class Acls final : public AclCaller {
 public:
  // Compiles all of `document.acls`.
  static std::shared_ptr<const Acls> compile(const config::ConfigDocument& document,
                                             std::shared_ptr<const NamedLists> lists,
                                             config::Diagnostics& diagnostics);
  // The value of an acl_smtp_* option: a name with arguments, or the text of an ACL. Checks every
  // condition that can be reached from there against what is legal at `where`.
  AclCall compile_call(const config::LocatedText& text, AclWhere where,
                       config::Diagnostics& diagnostics) const;

  // Pure: facts in, verdict and effects out. Sets ACL variables of the context. Called only for a
  // call that is set; what an unset one means is the caller's affair (EXIM.md 2.3).
  AclOutcome evaluate(const AclCall& call, AclWhere where, EvalContext& context) const;

  // For ${acl and the condition acl: runs where the ACL under way runs, whose effects it adds to;
  // outside of one, as for a recipient where there is an address, else as for local mail.
  Verdict call_acl(std::string_view name, std::vector<std::string> args, EvalContext& context,
                   std::string& message) const override;

 private:
  friend class AclCompiler;
  friend class AclRun;
  std::shared_ptr<const NamedLists> lists_;
  std::map<std::string, std::shared_ptr<CompiledAcl>, std::less<>> by_name_;
  // ACLs for results of expansions that are one word: accept, deny ...
  std::map<std::string, std::shared_ptr<CompiledAcl>, std::less<>> by_verb_;
};

}  // namespace godwit::acl
