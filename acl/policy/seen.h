// The record of a `seen` condition: when its key was met.
#pragma once

#include "core/base/time.h"

#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

std::string encode_seen(WallTime met);
// Nothing for bytes that are no record.
std::optional<WallTime> decode_seen(std::string_view bytes);

}  // namespace godwit::acl
