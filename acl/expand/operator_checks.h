// What operators look at when a string is compiled. Used by their table only.
#pragma once

#include "acl/expand/node.h"

#include <string>

namespace godwit::acl {

class Parser;

// The word after the underscore: a lookup type, a kind of list, the n of mask_n.
bool check_quote_word(Node& node, std::string& why);
bool check_listnamed_word(Node& node, std::string& why);
bool check_mask_word(Node& node, std::string& why);
bool check_expand(Parser& parser, Node& node);

}  // namespace godwit::acl
