// What evaluators did, step by step, for -bh, -d and --explain. A context without a Trace costs a
// null check a step. Events of a nested ACL, list or lookup come between the begin and the end of
// what asked for it.
#pragma once

#include "core/config/located_text.h"

#include <cstdint>
#include <string_view>

namespace godwit::acl {

enum class TraceKind : uint8_t {
  acl_begin,      // name: of the ACL, empty for an inline one
  acl_end,        // result: "ACCEPT"
  statement,      // name: the verb
  statement_end,  // name: the verb; result: "succeeded", "failed", "deferred"
  condition,      // name: of a condition or modifier; text: as written
  value,          // result: what the text of the condition expanded to
  message,        // name: "message", "log_message"; text: as written
  list,           // name: the subject; text: the list; result: "yes (matched "x")"
  lookup,         // name: the type; text: key or query; result: the answer or what happened
  router,         // name: the router; text: what it was asked; result: what came of it
  note,           // text: anything else
};

struct TraceEvent {
  TraceKind kind = TraceKind::note;
  std::string_view name;
  std::string_view text;
  std::string_view result;
  config::Place place;  // of statements; line 0: none
};

class Trace {
 public:
  virtual ~Trace() = default;
  virtual void event(const TraceEvent& event) = 0;
};

}  // namespace godwit::acl
