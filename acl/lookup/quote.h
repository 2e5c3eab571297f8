// Quoting of text for queries, ${quote_<type>:...}.
#pragma once

#include <string>
#include <string_view>

namespace godwit::acl {

void quote_mysql(std::string_view text, std::string& out);
void quote_pgsql(std::string_view text, std::string& out);
void quote_redis(std::string_view text, std::string& out);
void quote_sqlite(std::string_view text, std::string& out);

}  // namespace godwit::acl
