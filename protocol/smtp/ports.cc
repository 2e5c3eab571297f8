#include "protocol/smtp/ports.h"

#include "core/base/ascii.h"

#include <array>

namespace godwit::smtp {
namespace {

struct PortRow {
  std::string_view name;
  uint16_t port;
};
constexpr std::array kPorts{
    PortRow{"smtp", 25},   PortRow{"lmtp", 24},         PortRow{"ssmtp", 465},
    PortRow{"smtps", 465}, PortRow{"submissions", 465}, PortRow{"submission", 587},
};

}  // namespace

std::optional<uint16_t> parse_port(std::string_view text) {
  for (const PortRow& row : kPorts) {
    if (row.name == text) return row.port;
  }
  const std::optional<uint64_t> number = parse_decimal(text);
  if (!number || *number == 0 || *number > 65535) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

}  // namespace godwit::smtp
