// Conditions about the state of a delivery, files, ACLs and SRS addresses.
#include "acl/expand/arguments.h"
#include "acl/expand/call_acl.h"
#include "acl/expand/conditions.h"
#include "acl/expand/outside.h"
#include "acl/expand/services.h"
#include "acl/expand/srs.h"

namespace godwit::acl {

EvalStatus run_acl_condition(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.args, context, args);
  if (status != EvalStatus::ok) return status;
  AclOutcome outcome;
  const EvalStatus called = call_acl(args, context, outcome);
  if (called != EvalStatus::ok) return called;
  if (outcome.verdict == AclCaller::Verdict::defer) {
    return defer(context, "DEFER from acl \"" + args[0].text + "\"");
  }
  answer = outcome.verdict == AclCaller::Verdict::accept;
  set_value(context, outcome.message, false);
  return EvalStatus::ok;
}

EvalStatus run_exists(const ConditionNode& node, EvalContext& context, bool& answer) {
  Value path;
  const EvalStatus status = read_value(node.args[0], context, path);
  if (status != EvalStatus::ok) return status;
  if (!path.text.starts_with('/')) {
    answer = false;
    return EvalStatus::ok;
  }
  return file_exists(path.text, context, answer);
}

// form 0: first_delivery; 1: queue_running.
EvalStatus run_state(const ConditionNode& node, EvalContext& context, bool& answer) {
  answer = context.message != nullptr &&
           (node.form == 0 ? context.message->first_delivery : context.message->queue_running);
  return EvalStatus::ok;
}

// inbound_srs{local part}{secret}: $srs_recipient is the address inside. An empty secret: the
// signature is not looked at.
EvalStatus run_inbound_srs(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.args, context, args);
  if (status != EvalStatus::ok) return status;
  const std::optional<std::string> recipient =
      srs_decode(args[0].text, args[1].text, context.now.seconds());
  answer = recipient.has_value();
  if (recipient) context.srs_recipient = *recipient;
  return EvalStatus::ok;
}

}  // namespace godwit::acl
