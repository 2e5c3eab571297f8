// ClientIdentity: who the client is, by name: its reverse name, confirmed forward, and whether its
// HELO name is its own. Asked once a connection, when a list, a variable or a condition wants it.
// Owned by the session next to its ConnectionFacts, which it fills. Waits on the current fiber.
#pragma once

#include "acl/expand/context.h"
#include "acl/expand/list_pattern.h"

#include <cstdint>

namespace godwit::acl {

class ClientIdentity {
 public:
  enum class Name : uint8_t { found, none, deferred };

  explicit ClientIdentity(ConnectionFacts& facts) : facts_(facts) {}

  // Asks for the name where that was not done yet, and fills the facts.
  Name find_name(EvalContext& context);
  // Whether the name was asked for, and nothing came of it.
  bool was_asked() const noexcept { return asked_; }
  // Why there is no name: for the log and for lists.
  const std::string& problem() const noexcept { return problem_; }

  // Whether the HELO name is an address literal of the client, its name, or a name that leads to
  // its address. Asked once for each HELO.
  bool verify_helo(EvalContext& context);
  void forget_helo() noexcept;

 private:
  Name take(EvalContext& context);
  bool helo_is_own(EvalContext& context);

  ConnectionFacts& facts_;
  bool asked_ = false;
  Name name_ = Name::none;
  std::string problem_;
};

// The name of the client, looked up now where it has to be. Empty where there is none.
const std::string& client_name(const EvalContext& context);

}  // namespace godwit::acl
