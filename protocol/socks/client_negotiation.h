// ClientNegotiation: the client's side of SOCKS version 5, asking a proxy for a connection to an
// address. Bytes in, bytes out; no socket, no clock. RFC 1928, RFC 1929.
// The driver sends take_output(), feeds what comes to receive(), and does so until state() is no
// longer `waiting`. What comes after the proxy's last answer is the far host's: take_rest().
// Errors: a proxy that refuses or breaks the rules gives `failed` and problem().
#pragma once

#include "core/base/ip_address.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::socks {

struct Request {
  Endpoint to;
  bool with_name = false;  // offer name and password, and nothing else
  std::string name;        // at most 255 bytes
  std::string password;
};

class ClientNegotiation {
 public:
  enum class State : uint8_t { waiting, open, failed };

  explicit ClientNegotiation(Request request);

  void receive(std::string_view bytes);
  std::string take_output();
  State state() const noexcept;
  const std::string& problem() const noexcept { return problem_; }
  std::string take_rest();

 private:
  enum class Step : uint8_t { method, login, reply, open, failed };

  bool take_step();
  bool take_method();
  bool take_login();
  bool take_reply();
  void send_login();
  void send_request();
  bool fail(std::string problem);

  Request request_;
  Step step_ = Step::method;
  std::string input_;
  std::string output_;
  std::string problem_;
};

}  // namespace godwit::socks
