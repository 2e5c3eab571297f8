// The items of a template for reports (bounce_message_file, warn_message_file): texts between lines
// of exactly four asterisks. Pure.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace godwit::report {

// With the line end that each item has; an empty item means the text of the house. Views into
// `text`. At most kTextItemsMax; what follows is ignored.
std::vector<std::string_view> split_text_items(std::string_view text);

inline constexpr size_t kTextItemsMax = 6;

}  // namespace godwit::report
