// TicketKeys: what session tickets are sealed with. All workers of a server start from one secret
// that the supervisor makes and that never meets a disk; each derives the key of the hour from it,
// so that any worker opens a ticket of any other without talking to it. A worker's secret moves on
// by a one-way step every hour: it cannot compute the keys of the past again (the supervisor's
// first secret, in its memory, could). RFC 5077 5.5, 8446 4.6.1.
#pragma once

#include "core/base/time.h"
#include "tls/limits.h"

#include <array>
#include <cstdint>

namespace godwit::tls {

struct TicketSecret {
  std::array<unsigned char, 32> bytes{};
  WallTime since;  // when the first key's time began
};
// From the library's random source; ends the process where there is none.
TicketSecret make_ticket_secret(WallTime now);

struct TicketKey {
  std::array<unsigned char, 16> name{};
  std::array<unsigned char, 32> cipher_key{};
  std::array<unsigned char, 32> mac_key{};
};

// Belongs to the loop's thread.
class TicketKeys {
 public:
  explicit TicketKeys(const TicketSecret& secret);
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  // The key for new tickets at `now`.
  const TicketKey& current(WallTime now);
  // The key called `name` (16 bytes), or null. It may be the one before the current.
  const TicketKey* find(const unsigned char* name, WallTime now);

 private:
  void advance(WallTime now);

  std::array<unsigned char, 32> secret_;
  WallTime since_;  // of the current key
  TicketKey current_;
  TicketKey previous_;
};

}  // namespace godwit::tls
