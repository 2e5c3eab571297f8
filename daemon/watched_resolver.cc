#include "daemon/watched_resolver.h"

#include "core/base/ascii.h"

#include <utility>

namespace godwit::daemon {
namespace {

std::string text_of(const Result<dns::Answer>& answer) {
  if (!answer) return answer.error().to_string();
  std::string out;
  switch (answer->status) {
    case dns::AnswerStatus::found:
      out = std::to_string(answer->records.size()) +
            (answer->records.size() == 1 ? " record" : " records");
      break;
    case dns::AnswerStatus::no_name:
      out = "no such name";
      break;
    case dns::AnswerStatus::no_data:
      out = "no such record";
      break;
  }
  if (answer->has_alias) out += " of " + answer->name;
  if (answer->secure) out += ", secure";
  return out + ", for " + std::to_string(answer->ttl_seconds) + " s";
}

}  // namespace

Task<Result<dns::Answer>> WatchedResolver::query(std::string name, dns::RrType type,
                                                 dns::QueryOptions options, CancelSource* cancel) {
  if (trace_ == nullptr && log_ == nullptr)
    return inner_.query(std::move(name), type, options, cancel);
  return query_and_tell(std::move(name), type, options, cancel);
}

Task<Result<dns::Answer>> WatchedResolver::query_and_tell(std::string name, dns::RrType type,
                                                          dns::QueryOptions options,
                                                          CancelSource* cancel) {
  const std::string kind = dns::to_string(type);
  const std::string asked = name;
  const Instant begin = clock_.now();
  Result<dns::Answer> answer = co_await inner_.query(std::move(name), type, options, cancel);
  if (trace_ != nullptr) {
    const std::string question = kind + " " + asked;
    trace_->event({acl::TraceKind::resolver, {}, question, text_of(answer), {}});
  }
  const int64_t took = (clock_.now().micros - begin.micros) / 1000;
  if (log_ != nullptr && took > slow_.count) {
    log_->main(LogEvent::note, "",
               "Long " + kind + " lookup for '" + escape_control(asked) +
                   "': " + std::to_string(took) + " msec");
  }
  co_return answer;
}

}  // namespace godwit::daemon
