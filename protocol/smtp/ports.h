// Ports by the names that configurations use for them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace godwit::smtp {

// "smtp", "smtps", "submission", ... or a number from 1 to 65535.
std::optional<uint16_t> parse_port(std::string_view text);

}  // namespace godwit::smtp
