#include "acl/expand/traced_lookup.h"

#include "acl/expand/services.h"
#include "acl/expand/trace.h"

namespace godwit::acl {

Result<std::optional<LookupAnswer>> find_traced(const LookupQuestion& question,
                                                EvalContext& context) {
  Lookups& lookups = *context.services->lookups;
  if (context.trace == nullptr) return lookups.find(question);
  TraceEvent event{
      TraceKind::lookup_begin, lookup_type_name(*question.spec.type), question.key, {}, {}};
  event.file = question.file;
  context.trace->event(event);
  LookupQuestion asked = question;
  bool was_cached = false;
  asked.was_cached = &was_cached;
  Result<std::optional<LookupAnswer>> answer = lookups.find(asked);
  event.kind = TraceKind::lookup;
  event.cached = was_cached;
  std::string result;
  if (!answer) {
    result = "deferred: " + answer.error().detail();
  } else {
    result = answer->has_value() ? "\"" + (*answer)->value + "\"" : "not found";
  }
  event.result = result;
  if (event.name == "dnsdb" && !was_cached)
    context.trace->event({TraceKind::dns, {}, question.key, result, {}});
  context.trace->event(event);
  return answer;
}

}  // namespace godwit::acl
