// TCP Fast Open: a host that was met before gets our cookie with the first packet, and may answer,
// or take what is said, before the handshake is over. The system keeps the cookies, and allows it
// or not (net.ipv4.tcp_fastopen). RFC 7413.
#pragma once

#include <cstdint>
#include <string_view>

namespace godwit {

enum class FastOpen : uint8_t {
  no,
  used,       // the cookie went, or came, with the first packet
  with_data,  // and so did bytes, which were taken
};

// What the system allows; asked once.
bool may_fast_open() noexcept;
bool may_accept_fast_open() noexcept;

// Before it connects: with a cookie, connecting waits for the first send.
void request_fast_open(int descriptor) noexcept;
// Before it listens; `queue`: connections that are not yet confirmed.
void accept_fast_open(int descriptor, int queue) noexcept;

// How a connection began that was accepted, or that has been established.
FastOpen accepted_fast_open(int descriptor) noexcept;
bool is_first_data_taken(int descriptor) noexcept;
// False where a socket that was told to connect is connected, or has failed.
bool is_connecting(int descriptor) noexcept;

}  // namespace godwit
