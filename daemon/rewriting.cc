#include "daemon/rewriting.h"

#include <optional>
#include <utility>

namespace godwit::daemon {

void rewrite_message(const rewrite::RewriteRules& rules, acl::EvalContext& context,
                     RewrittenMessage& message) {
  rewrite::RewriteNotes& notes = message.notes;
  const auto apply = [&](std::string& address, rewrite::Place place) {
    rewrite::Rewritten rewritten = rules.rewrite(address, place, context);
    if (!rewritten.problem.empty()) notes.problems.push_back(std::move(rewritten.problem));
    for (std::string& change : rewritten.changes) notes.changes.push_back(std::move(change));
    if (rewritten.changed) address = std::move(rewritten.address);
  };
  for (std::string& recipient : message.recipients) apply(recipient, rewrite::kEnvelopeTo);
  if (!message.sender.empty()) apply(message.sender, rewrite::kEnvelopeFrom);
  std::optional<std::string> headers = rules.rewrite_headers(message.headers, context, notes);
  message.headers_changed = headers.has_value();
  if (headers) message.headers = std::move(*headers);
}

}  // namespace godwit::daemon
