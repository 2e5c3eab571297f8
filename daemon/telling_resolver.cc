#include "daemon/telling_resolver.h"

#include <utility>

namespace godwit::daemon {

void TellingResolver::tell(const acl::EventActions& actions, const acl::Services& services,
                           const acl::ServerFacts& server, Loop& loop, Log& log) {
  if (actions.empty()) return;
  services_ = services;
  services_.resolver = &inner_;
  actions_ = &actions;
  server_ = &server;
  loop_ = &loop;
  log_ = &log;
}

Task<Result<dns::Answer>> TellingResolver::query(std::string name, dns::RrType type,
                                                 dns::QueryOptions options, CancelSource* cancel) {
  if (actions_ == nullptr) return inner_.query(std::move(name), type, options, cancel);
  return query_and_tell(std::move(name), type, options, cancel);
}

Task<Result<dns::Answer>> TellingResolver::query_and_tell(std::string name, dns::RrType type,
                                                          dns::QueryOptions options,
                                                          CancelSource* cancel) {
  std::string data = "again:" + name + ":" + dns::to_string(type);
  Result<dns::Answer> answer = co_await inner_.query(std::move(name), type, options, cancel);
  if (!answer && !answer.error().is_cancelled()) co_await raise(std::move(data));
  co_return answer;
}

Task<void> TellingResolver::raise(std::string data) {
  acl::EvalContext evaluation;
  evaluation.services = &services_;
  evaluation.server = server_;
  evaluation.now = loop_->clock().wall();
  acl::EventFacts event{"dns:fail", std::move(data), 0};
  co_await actions_->raise(std::move(event), evaluation, *log_);
}

}  // namespace godwit::daemon
