#include "daemon/ticket_sharing.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace godwit::daemon {

Result<int> share_ticket_secret(const tls::TicketSecret& secret) {
  const int descriptor = ::memfd_create("godwit-tickets", MFD_CLOEXEC);
  if (descriptor < 0) return error_from_errno(errno, "memfd_create");
  if (::pwrite(descriptor, &secret, sizeof secret, 0) == static_cast<ssize_t>(sizeof secret))
    return descriptor;
  Error error = error_from_errno(errno, "share the ticket secret");
  ::close(descriptor);
  return error;
}

tls::TicketSecret read_ticket_secret(int descriptor, WallTime now) {
  tls::TicketSecret secret;
  const bool is_there = descriptor >= 0 && ::pread(descriptor, &secret, sizeof secret, 0) ==
                                               static_cast<ssize_t>(sizeof secret);
  return is_there ? secret : tls::make_ticket_secret(now);
}

}  // namespace godwit::daemon
