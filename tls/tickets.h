// TicketKeys: what session tickets are sealed with. All workers of a server start from one secret
// that the supervisor makes and that never meets a disk; each derives the key of the hour from it,
// so that any worker opens a ticket of any other without talking to it. The secret moves on by a
// one-way step every hour, so keys of the past cannot be computed again. RFC 5077 5.5, 8446 4.6.1.
#pragma once

#include "core/base/time.h"
#include "tls/limits.h"

#include <array>
#include <cstdint>
#include <mutex>

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

class TicketKeys {
 public:
  explicit TicketKeys(const TicketSecret& secret) : secret_(secret.bytes), since_(secret.since) {}
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  // The key for new tickets at `now`.
  TicketKey current(WallTime now);
  // The key called `name`; `is_old` where a new ticket is to be given. False for an unknown one.
  bool find(const unsigned char* name, WallTime now, TicketKey& out, bool& is_old);

 private:
  void advance(WallTime now);

  std::array<unsigned char, 32> secret_;
  WallTime since_;
  TicketKey current_;
  TicketKey previous_;
  bool has_current_ = false;
  bool has_previous_ = false;
};

}  // namespace godwit::tls
