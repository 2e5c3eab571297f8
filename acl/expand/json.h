// Just enough of JSON (RFC 8259) for ${extract json and forany_json: the members of an object and
// the elements of an array as text. Values are not checked further than their extent.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

// The text between the brackets of an array or the braces of an object; nothing where `text` is not
// one.
std::optional<std::string_view> json_inside(std::string_view text, char open, char close);
// The next element of what is inside, trimmed; `rest` goes on behind its comma. False at the end.
bool next_json_element(std::string_view& rest, std::string_view& element);
// Parts `"key": value`. False where it is not that.
bool split_json_member(std::string_view member, std::string_view& key, std::string_view& value);
// A string without its quotes, escapes as they are; nothing where the value is no string.
std::optional<std::string_view> json_string(std::string_view value);

}  // namespace godwit::acl
