#include "acl/lookup/quote.h"

#include "core/base/ascii.h"

namespace godwit::acl {
namespace {

// The letter of \n and its like; 0 where `c` has none.
char escape_letter(char c) {
  switch (c) {
    case '\n':
      return 'n';
    case '\t':
      return 't';
    case '\r':
      return 'r';
    case '\b':
      return 'b';
    default:
      return 0;
  }
}

}  // namespace

void quote_mysql(std::string_view text, std::string& out) {
  for (const char c : text) {
    const char letter = escape_letter(c);
    if (letter != 0 || c == '\'' || c == '"' || c == '\\') out += '\\';
    out += letter != 0 ? letter : c;
  }
}

// A quote is doubled, not escaped: a backslash means nothing in standard strings.
void quote_pgsql(std::string_view text, std::string& out) {
  for (const char c : text) {
    const char letter = escape_letter(c);
    if (letter != 0 || c == '"' || c == '\\') out += '\\';
    if (c == '\'') out += '\'';
    out += letter != 0 ? letter : c;
  }
}

void quote_redis(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (is_space(c) || c == '\\') out += '\\';
    out += c;
  }
}

void quote_sqlite(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (c == '\'') out += c;
    out += c;
  }
}

}  // namespace godwit::acl
