#include "acl/policy/events.h"

#include "core/io/fiber.h"

#include <algorithm>
#include <utility>

namespace godwit::acl {

void EventActions::add(std::string_view option, std::string_view only, Expansion text) {
  if (text.is_constant() && text.constant().empty()) return;
  actions_.push_back({option, only, std::move(text)});
}

bool EventActions::hears(std::string_view event) const noexcept {
  return std::any_of(actions_.begin(), actions_.end(), [event](const Action& action) {
    return action.only.empty() || action.only == event;
  });
}

Task<std::string> EventActions::raise(EventFacts event, EvalContext& context, Log& log) const {
  std::string said;
  context.event = &event;
  for (const Action& action : actions_) {
    if (!action.only.empty() && action.only != event.name) continue;
    auto expanding = [&] { return action.text.evaluate(context); };
    EvalResult result = co_await on_fiber(expanding);
    if (!result.ok()) {
      const std::string_view id =
          context.message == nullptr ? std::string_view() : context.message->id;
      log.panic(LogEvent::configuration, id,
                "failed to expand " + std::string(action.option) + " " + event.name + " in " +
                    owner_ + ": " + result.text);
    } else if (action.only.empty()) {
      said = std::move(result.text);
    }
  }
  context.event = nullptr;
  co_return said;
}

}  // namespace godwit::acl
