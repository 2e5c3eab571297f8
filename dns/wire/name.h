// Names of the DNS: presentation text to octets and back, and names inside a message. A wire name
// is a string of length-prefixed labels that ends with the root label; names are compared without
// case. RFC 1035 3.1, 4.1.4, 5.1.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::dns {

// Octets of "example.com" or "example.com."; "\." and "\046" stand for odd octets. Malformed: an
// empty label, a bad escape; too_long: a label or the name over its bound.
Result<std::string> name_to_wire(std::string_view text);
// Without the final dot; "." for the root.
std::string name_to_text(std::string_view wire);
bool same_name(std::string_view wire_a, std::string_view wire_b) noexcept;

// The name at `offset` of `message`, uncompressed; `offset` moves behind it. Nothing where it
// leaves the message, loops or is too long: a pointer must lead to an earlier place.
std::optional<std::string> read_name(std::string_view message, size_t& offset);
// Moves `offset` behind the name without looking where its pointer leads.
bool skip_name(std::string_view message, size_t& offset) noexcept;

}  // namespace godwit::dns
