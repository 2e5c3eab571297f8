#include "acl/policy/events.h"

#include "core/base/assert.h"
#include "core/io/fiber.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::acl {
namespace {

// clang-format off
constexpr auto kRows = std::to_array<EventRow>({
    // name                whose event_action  documentation
    {"dane:fail",           "transport",        "DANE could not be used, or a host did not pass"},
    {"dns:fail",            "main",             "a name could not be looked up"},
    {"msg:complete",        "main",             "a message has no recipient left"},
    {"msg:defer",           "transport",        "a try has brought nothing for a message"},
    {"msg:delivery",        "transport",        "a recipient was delivered"},
    {"msg:fail:delivery",   "transport",        "a recipient failed in its transport"},
    {"msg:fail:internal",   "main",             "a recipient failed before it came to a transport"},
    {"msg:host:defer",      "transport",        "a host took nothing of a message"},
    {"msg:rcpt:defer",      "transport",        "a recipient must be tried again"},
    {"msg:rcpt:host:defer", "transport",        "a host did not take a recipient now"},
    {"smtp:connect",        "transport",        "a host has greeted"},
    {"smtp:ehlo",           "transport",        "a host has answered EHLO"},
    {"smtp:fail:protocol",  "main",             "a client broke the order of commands"},
    {"smtp:fail:syntax",    "main",             "a client sent what is no command"},
    {"tcp:close",           "transport",        "a connection was closed"},
    {"tcp:connect",         "transport",        "a connection is about to be made"},
    {"tls:cert",            "main, transport",  "a certificate of the chain; text refuses it"},
    {"tls:fail:connect",    "main",             "TLS could not be begun"},
});
// clang-format on
static_assert(std::ranges::is_sorted(kRows, {}, &EventRow::name));

}  // namespace

std::span<const EventRow> event_rows() noexcept {
  return kRows;
}

const EventRow* find_event(std::string_view name) noexcept {
  const auto* row = std::ranges::lower_bound(kRows, name, {}, &EventRow::name);
  return row != kRows.end() && row->name == name ? row : nullptr;
}

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
  GODWIT_ASSERT(find_event(event.name) != nullptr);
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
