#include "protocol/socks/client_negotiation.h"

#include <array>
#include <utility>

namespace godwit::socks {
namespace {

constexpr char kVersion = 5;
constexpr char kLoginVersion = 1;
constexpr char kNoMethod = 0;
constexpr char kNameAndPassword = 2;
constexpr char kConnect = 1;
enum AddressType : char { kIpv4 = 1, kName = 3, kIpv6 = 4 };
constexpr size_t kHeadBytes = 4;  // of a reply, before the address
constexpr size_t kPortBytes = 2;
constexpr size_t kTextBytesMax = 255;

// RFC 1928 6.
constexpr std::array<std::string_view, 9> kReplies{"succeeded",
                                                   "general SOCKS server failure",
                                                   "connection not allowed by ruleset",
                                                   "network unreachable",
                                                   "host unreachable",
                                                   "connection refused",
                                                   "TTL expired",
                                                   "command not supported",
                                                   "address type not supported"};

void append_counted(std::string& out, std::string_view text) {
  text = text.substr(0, kTextBytesMax);
  out += static_cast<char>(text.size());
  out += text;
}

}  // namespace

ClientNegotiation::ClientNegotiation(Request request) : request_(std::move(request)) {
  output_ = {kVersion, 1, request_.with_name ? kNameAndPassword : kNoMethod};
}

ClientNegotiation::State ClientNegotiation::state() const noexcept {
  return step_ == Step::open ? State::open : step_ == Step::failed ? State::failed : State::waiting;
}

std::string ClientNegotiation::take_output() {
  return std::exchange(output_, std::string());
}

std::string ClientNegotiation::take_rest() {
  return std::exchange(input_, std::string());
}

void ClientNegotiation::receive(std::string_view bytes) {
  input_ += bytes;
  while (state() == State::waiting && take_step()) continue;
}

bool ClientNegotiation::fail(std::string problem) {
  step_ = Step::failed;
  problem_ = std::move(problem);
  return false;
}

// False where more input is needed, or it is over.
bool ClientNegotiation::take_step() {
  switch (step_) {
    case Step::method:
      return take_method();
    case Step::login:
      return take_login();
    case Step::reply:
      return take_reply();
    case Step::open:
    case Step::failed:
      break;
  }
  return false;
}

bool ClientNegotiation::take_method() {
  if (!input_.empty() && input_[0] != kVersion) return fail("the proxy does not speak SOCKS 5");
  if (input_.size() < 2) return false;
  const char method = input_[1];
  input_.erase(0, 2);
  if (method != (request_.with_name ? kNameAndPassword : kNoMethod))
    return fail("the proxy accepts no authentication method of ours");
  if (request_.with_name) {
    send_login();
  } else {
    send_request();
  }
  return true;
}

void ClientNegotiation::send_login() {
  output_ += kLoginVersion;
  append_counted(output_, request_.name);
  append_counted(output_, request_.password);
  step_ = Step::login;
}

bool ClientNegotiation::take_login() {
  if (!input_.empty() && input_[0] != kLoginVersion)
    return fail("malformed answer of the proxy to the password");
  if (input_.size() < 2) return false;
  const bool is_good = input_[1] == 0;
  input_.erase(0, 2);
  if (!is_good) return fail("the proxy refuses name and password");
  send_request();
  return true;
}

void ClientNegotiation::send_request() {
  const IpAddress& address = request_.to.address;
  output_ += {kVersion, kConnect, 0, address.is_v6() ? kIpv6 : kIpv4};
  output_ += address.bytes();
  output_ += static_cast<char>(request_.to.port >> 8);
  output_ += static_cast<char>(request_.to.port & 0xff);
  step_ = Step::reply;
}

bool ClientNegotiation::take_reply() {
  if (!input_.empty() && input_[0] != kVersion) return fail("malformed answer of the proxy");
  if (input_.size() < 2) return false;
  // A proxy that refuses may close without the rest.
  if (input_[1] != 0) {
    const auto code = static_cast<unsigned char>(input_[1]);
    const std::string text =
        code < kReplies.size() ? std::string(kReplies[code]) : "code " + std::to_string(code);
    return fail("the proxy cannot connect: " + text);
  }
  if (input_.size() <= kHeadBytes) return false;
  size_t address = 0;
  switch (input_[3]) {
    case kIpv4:
      address = 4;
      break;
    case kIpv6:
      address = 16;
      break;
    case kName:
      address = 1 + static_cast<unsigned char>(input_[kHeadBytes]);
      break;
    default:
      return fail("malformed answer of the proxy");
  }
  const size_t size = kHeadBytes + address + kPortBytes;
  if (input_.size() < size) return false;
  input_.erase(0, size);
  step_ = Step::open;
  return false;
}

}  // namespace godwit::socks
