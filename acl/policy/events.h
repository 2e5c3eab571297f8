// Events: what happens to messages and connections, told to expansions of the operator.
// EXIM.md 1.8. Used by deliveries (event_action of a transport, and its older options) and by the
// server (the main option). Actions are part of a configuration snapshot; immutable.
#pragma once

#include "acl/expand/context.h"
#include "acl/expand/expansion.h"
#include "core/io/task.h"
#include "core/log/log.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

// Every event: one row.
struct EventRow {
  std::string_view name;
  std::string_view option;  // whose event_action: "main", "transport" or both
  std::string_view doc;
};
std::span<const EventRow> event_rows() noexcept;
// The row of an event that is raised; null where there is none.
const EventRow* find_event(std::string_view name) noexcept;

class EventActions {
 public:
  EventActions() = default;
  // `owner`: the transport's name, or "main".
  explicit EventActions(std::string owner) : owner_(std::move(owner)) {}

  void set_owner(std::string owner) { owner_ = std::move(owner); }
  // An action for the event `only`; for every event where that is empty.
  void add(std::string_view option, std::string_view only, Expansion text);
  bool empty() const noexcept { return actions_.empty(); }
  // True where an action would be evaluated for that event.
  bool hears(std::string_view event) const noexcept;

  // Evaluates what is set for the event, on a fiber; `context` is about what it happened to and
  // gets $event_... . Gives what event_action said: for events that come before something, text
  // forbids it. What cannot be expanded is logged and says nothing.
  Task<std::string> raise(EventFacts event, EvalContext& context, Log& log) const;

 private:
  struct Action {
    std::string_view option;
    std::string_view only;
    Expansion text;
  };
  std::string owner_;
  std::vector<Action> actions_;
};

}  // namespace godwit::acl
