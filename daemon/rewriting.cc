#include "daemon/rewriting.h"

#include <optional>
#include <utility>

namespace godwit::daemon {

std::vector<std::string> rewrite_message(const rewrite::RewriteRules& rules,
                                         acl::EvalContext& context, RewrittenMessage& message) {
  std::vector<std::string> problems;
  const auto apply = [&](std::string& address, rewrite::Place place) {
    rewrite::Rewritten rewritten = rules.rewrite(address, place, context);
    if (!rewritten.problem.empty()) problems.push_back(std::move(rewritten.problem));
    if (rewritten.changed) address = std::move(rewritten.address);
  };
  if (!message.sender.empty()) apply(message.sender, rewrite::kEnvelopeFrom);
  for (std::string& recipient : message.recipients) apply(recipient, rewrite::kEnvelopeTo);
  std::optional<std::string> headers = rules.rewrite_headers(message.headers, context, problems);
  message.headers_changed = headers.has_value();
  if (headers) message.headers = std::move(*headers);
  return problems;
}

}  // namespace godwit::daemon
