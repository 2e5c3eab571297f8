#include "bench/source/proxy_header.h"

namespace godwit::bench {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr char kVersionAndCommand = 0x21;  // version 2, PROXY
constexpr char kTcpV4 = 0x11;
constexpr char kTcpV6 = 0x21;

void append_u16(std::string& out, size_t value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}

}  // namespace

std::string proxy_header(const Endpoint& client, const Target& target) {
  const bool is_v6 = client.address.is_v6();
  Endpoint to{is_v6 ? IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
                    : IpAddress::v4(0x7f000001),
              25};
  if (!target.endpoints.empty() && target.endpoints.front().address.is_v6() == is_v6)
    to = target.endpoints.front();
  std::string header(kSignature);
  header += kVersionAndCommand;
  header += is_v6 ? kTcpV6 : kTcpV4;
  append_u16(header, 2 * client.address.bytes().size() + 4);
  header += client.address.bytes();
  header += to.address.bytes();
  append_u16(header, client.port);
  append_u16(header, to.port);
  return header;
}

}  // namespace godwit::bench
