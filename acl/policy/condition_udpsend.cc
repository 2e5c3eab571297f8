// udpsend = address port text: one packet, and nobody waits for an answer.
#include "acl/expand/services.h"
#include "acl/policy/conditions.h"
#include "acl/policy/run.h"
#include "core/base/ascii.h"
#include "core/io/udp_socket.h"

namespace godwit::acl {
namespace {

struct Packet {
  Endpoint to;
  std::string_view text;
};

std::optional<std::string> parse_packet(std::string_view value, Packet& packet) {
  const auto word = [&value] {
    value = trim_left(value);
    size_t length = 0;
    while (length < value.size() && !is_space(value[length])) ++length;
    const std::string_view out = value.substr(0, length);
    value.remove_prefix(length);
    return out;
  };
  const std::string_view host = word();
  const std::string_view port = word();
  const Result<IpAddress> address = IpAddress::parse(host);
  if (!address) return "udpsend: \"" + std::string(host) + "\" is no IP address";
  const std::optional<uint64_t> number = parse_decimal(port);
  if (!number || *number == 0 || *number > 65535)
    return "udpsend: \"" + std::string(port) + "\" is no port";
  packet.to = {*address, static_cast<uint16_t>(*number)};
  packet.text = trim_left(value);
  if (packet.text.empty()) return "udpsend: there is nothing to send";
  return std::nullopt;
}

class Deaf final : public UdpHandler {
 public:
  void on_datagram(UdpSocket&, std::string_view) noexcept override {}
  void on_socket_error(UdpSocket&, Error) noexcept override {}
};

}  // namespace

std::optional<std::string> check_udpsend(std::string_view value) {
  Packet packet;
  return parse_packet(value, packet);
}

Answer run_udpsend(AclRun& run, const AclCondition&, const std::string& value) {
  Packet packet;
  if (std::optional<std::string> problem = parse_packet(value, packet))
    return run.error(std::move(*problem));
  const Services* services = run.context().services;
  if (services == nullptr || services->loop == nullptr)
    return run.defer("udpsend: there is no network here");
  Deaf handler;
  const auto socket = UdpSocket::connect(*services->loop, packet.to, handler);
  if (!socket) return run.defer("udpsend: " + socket.error().to_string());
  const Result<void> sent = (*socket)->send(packet.text);
  return sent ? Answer::yes : run.defer("udpsend: " + sent.error().to_string());
}

}  // namespace godwit::acl
