// How the secret of session tickets gets from the supervisor to its workers: by a file in memory
// that nobody else can open.
#pragma once

#include "core/base/result.h"
#include "tls/tickets.h"

namespace godwit::daemon {

// A descriptor that holds the secret.
Result<int> share_ticket_secret(const tls::TicketSecret& secret);
// A new secret, of this process alone, where the descriptor is none.
tls::TicketSecret read_ticket_secret(int descriptor, WallTime now);

}  // namespace godwit::daemon
