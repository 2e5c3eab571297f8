// Whether a client may greet with its name: `verify = csa`, on what dns/authorization.h found.
// Waits for the DNS on the current fiber; verdicts are kept for the connection.
#pragma once

#include "acl/expand/context.h"
#include "acl/policy/rows.h"

#include <cstdint>
#include <string_view>

namespace godwit::acl {

struct AuthorizedRow {
  Authorized verdict;
  Answer answer;
  std::string_view status;  // $csa_status
  std::string_view reason;
};
const AuthorizedRow& authorized_row(Authorized verdict) noexcept;

// `domain` may be an address or an address literal. The connection of the context has a client.
Authorized authorize_client(std::string_view domain, EvalContext& context);

}  // namespace godwit::acl
