// What evaluators did, step by step, for -bh, -d and --explain. A context without a Trace costs a
// null check a step. Events of a nested ACL, list or lookup come between the begin and the end of
// what asked for it.
#pragma once

#include "core/config/located_text.h"

#include <cstdint>
#include <string_view>

namespace godwit::acl {

enum class TraceKind : uint8_t {
  command_begin,    // text: what the client said, none for the connection; name: "delivery" for one
  command_end,      // result: the reply
  acl_begin,        // name: of the ACL, empty for an inline one
  acl_end,          // result: "ACCEPT"
  statement,        // name: the verb
  statement_end,    // name: the verb; result: "succeeded", "failed", "deferred"
  condition,        // name: of a condition or modifier; text: as written
  value,            // result: what the text of the condition expanded to
  condition_end,    // result: "yes", "no", ...
  message,          // name: "message", "log_message"; text: as written
  list_begin,       // name: the subject; text: the list
  list,             // the end of it; result: "yes (matched "x")"
  lookup_begin,     // name: the type; text: key or query
  lookup,           // the end of it; result: the answer or what happened
  expansion_begin,  // text: as written
  expansion,  // the end of it; name: "" or "failed" ...; result: the value, or why there is none
  address_begin,  // text: an address on its way through routers
  address_end,    // result: its transport and hosts, or why it has none
  router_begin,   // name: the router; text: what it was asked
  router,         // the end of it; result: what came of it and why
  variable,       // name: of a variable that a router sets; result: its value
  dns,            // text: the question; result: the answer
  rewrite,        // name: the replacement; text: the address; result: what it became
  retry,          // text: the key; result: what the hints say
  host,           // text: a name; result: its addresses
  transport,      // name: the transport; text: the recipient; result: what came of it
  dnsbl,          // text: the name asked for in a DNS list; result: the answer
  tls,            // text: whose session; result: its cipher, or why there is none
  exec,           // text: a command; result: how it ended
  load,           // text: what asks; result: the load average
  hints,          // text: a key of the hints; result: what is known of it
  verify,         // name: "sender", "recipient"; text: the address; result: what came of it
  interface,      // text: an address; result: what it is to this host
  resolver,       // text: type and name of a question to the DNS; result: what came of it
  queue_run,      // text: "begins", and of which queue; result: with which messages
  uid,            // text: a process; result: as whom it runs
  debug_print,    // name: of a router or transport; text: its debug_print
  note,           // text: anything else
};

struct TraceEvent {
  TraceKind kind = TraceKind::note;
  std::string_view name;
  std::string_view text;
  std::string_view result;
  config::Place place;         // of statements; line 0: none
  std::string_view file = {};  // of lookups: where they look
  bool cached = false;         // of lookups: it was answered before
};

class Trace {
 public:
  virtual ~Trace() = default;
  virtual void event(const TraceEvent& event) = 0;
};

// Nothing where nobody looks.
inline void tell(Trace* trace, const TraceEvent& event) {
  if (trace != nullptr) trace->event(event);
}

}  // namespace godwit::acl
