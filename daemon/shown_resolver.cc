#include "daemon/shown_resolver.h"

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

Task<Result<dns::Answer>> ShownResolver::query(std::string name, dns::RrType type,
                                               dns::QueryOptions options, CancelSource* cancel) {
  if (trace_ == nullptr && slow_.loop == nullptr)
    return inner_.query(std::move(name), type, options, cancel);
  return query_and_show(std::move(name), type, options, cancel);
}

Task<Result<dns::Answer>> ShownResolver::query_and_show(std::string name, dns::RrType type,
                                                        dns::QueryOptions options,
                                                        CancelSource* cancel) {
  const std::string asked = name;
  const Instant began = slow_.loop == nullptr ? Instant() : slow_.loop->clock().now();
  Result<dns::Answer> answer = co_await inner_.query(std::move(name), type, options, cancel);
  if (trace_ != nullptr) {
    trace_->event(
        {acl::TraceKind::resolver, {}, dns::to_string(type) + " " + asked, text_of(answer), {}});
  }
  if (slow_.loop != nullptr) tell_slow(asked, type, began);
  co_return answer;
}

// In the words of Exim's log.
void ShownResolver::tell_slow(const std::string& name, dns::RrType type, Instant began) const {
  const Millis took = slow_.loop->clock().now() - began;
  if (took <= slow_.limit) return;
  slow_.log->main(LogEvent::note, "",
                  "Long " + dns::to_string(type) + " lookup for '" + escape_control(name) +
                      "': " + std::to_string(took.count) + " msec");
}

}  // namespace godwit::daemon
