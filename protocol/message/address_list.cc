#include "protocol/message/address_list.h"

#include "core/base/ascii.h"
#include "protocol/message/limits.h"

#include <utility>

namespace godwit::message {
namespace {

constexpr bool is_8bit(char c) noexcept {
  return static_cast<unsigned char>(c) >= 0x80;
}

Error bad(std::string text) {
  return Error(Errc::malformed, std::move(text));
}

// Words up to a delimiter, in both readings: the start of "Joe Q. Public <..." and of "joe.q @
// ...".
struct Words {
  std::string display;
  std::string compact;
  std::string first;   // the word that `second` follows without a dot
  std::string second;  // empty: the words can be a local part
  size_t begin = 0;
  size_t end = 0;  // of the last word
  bool any = false;
};

class Parser {
 public:
  Parser(std::string_view text, Utf8 utf8) : text_(text), utf8_(utf8) {}

  Result<AddressList> run();

 private:
  bool at_end() const noexcept { return at_ >= text_.size(); }
  char peek() const noexcept { return at_end() ? '\0' : text_[at_]; }
  bool skip_space();
  bool skip_comment();
  bool read_quoted(std::string& raw, std::string& plain);
  std::string_view read_atom();
  bool read_words(Words& words);
  bool read_domain(std::string& domain);
  bool read_domain_literal(std::string& domain);
  bool read_route();
  bool read_angle(ListedAddress& found);
  bool read_item();
  bool take_address(ListedAddress found, std::string_view local, std::string_view domain);
  bool fail(std::string text) {
    if (problem_.empty()) problem_ = std::move(text);
    return false;
  }

  std::string_view text_;
  Utf8 utf8_;
  size_t at_ = 0;
  bool in_group_ = false;
  std::string problem_;
  AddressList list_;
};

Result<AddressList> Parser::run() {
  while (true) {
    if (!skip_space()) return bad(problem_);
    if (at_end()) break;
    if (peek() == ',') {  // RFC 5322 4.4: empty elements
      ++at_;
      continue;
    }
    if (peek() == ';' && in_group_) {
      in_group_ = false;
      ++at_;
      continue;
    }
    if (list_.addresses.size() >= kAddressesPerFieldMax) {
      return Error(Errc::too_many, "addresses in a header field");
    }
    if (!read_item()) return bad(problem_);
  }
  if (in_group_) return bad("missing terminating semicolon of a group");
  return std::move(list_);
}

// White space, folding and comments.
bool Parser::skip_space() {
  while (!at_end()) {
    if (is_space(peek())) {
      ++at_;
    } else if (peek() == '(') {
      if (!skip_comment()) return false;
    } else {
      return true;
    }
  }
  return true;
}

bool Parser::skip_comment() {
  int depth = 0;
  for (; !at_end(); ++at_) {
    const char c = peek();
    if (c == '\\') {
      ++at_;
    } else if (c == '(') {
      if (++depth > kCommentDepthMax) return fail("comments are nested too deep");
    } else if (c == ')' && --depth == 0) {
      ++at_;
      return true;
    }
  }
  return fail("unterminated comment");
}

bool Parser::read_quoted(std::string& raw, std::string& plain) {
  raw.push_back('"');
  for (++at_; !at_end(); ++at_) {
    const char c = peek();
    if (c == '"') {
      raw.push_back('"');
      ++at_;
      return true;
    }
    if (c == '\r' || c == '\n') continue;  // folding
    raw.push_back(c);
    if (c == '\\' && at_ + 1 < text_.size()) {
      ++at_;
      raw.push_back(peek());
    }
    plain.push_back(peek());
  }
  return fail("unterminated quoted string");
}

std::string_view Parser::read_atom() {
  const size_t begin = at_;
  while (!at_end() && (is_atext(peek()) || is_8bit(peek()))) ++at_;
  return text_.substr(begin, at_ - begin);
}

// Atoms, quoted strings and dots with anything between them that may be.
bool Parser::read_words(Words& words) {
  words.begin = at_;
  bool after_word = false;
  std::string last;
  while (true) {
    const size_t gap_from = at_;
    if (!skip_space()) return false;
    const bool gap = at_ != gap_from;
    std::string raw;
    std::string plain;
    if (peek() == '"') {
      if (!read_quoted(raw, plain)) return false;
    } else if (peek() == '.') {
      raw = plain = ".";
      ++at_;
    } else {
      raw = plain = read_atom();
      if (raw.empty()) return true;
    }
    const bool dot = raw == ".";
    if (after_word && !dot && words.second.empty()) {
      words.first = last;
      words.second = raw;
    }
    if (gap && words.any) words.display.push_back(' ');
    words.display += plain;
    words.compact += raw;
    last = raw;
    after_word = !dot;
    words.any = true;
    words.end = at_;
  }
}

bool Parser::read_domain_literal(std::string& domain) {
  const size_t begin = at_;
  const size_t end = text_.find(']', at_);
  if (end == std::string_view::npos) return fail("domain literal is not terminated");
  at_ = end + 1;
  domain = text_.substr(begin, at_ - begin);
  if (!is_address_literal(domain)) return fail("domain missing or malformed");
  return true;
}

bool Parser::read_domain(std::string& domain) {
  if (!skip_space()) return false;
  if (peek() == '[') return read_domain_literal(domain);
  size_t end = at_;
  while (true) {
    const std::string_view atom = read_atom();
    if (atom.empty()) return fail("domain missing or malformed");
    domain += atom;
    end = at_;
    if (!skip_space()) return false;
    if (peek() != '.') break;
    domain.push_back('.');
    ++at_;
    if (!skip_space()) return false;
  }
  at_ = end;
  return true;
}

// RFC 5322 4.4: "@a,@b:" before the address; parsed and ignored.
bool Parser::read_route() {
  while (peek() == '@') {
    ++at_;
    std::string domain;
    if (!read_domain(domain) || !skip_space()) return false;
    while (peek() == ',') {
      ++at_;
      if (!skip_space()) return false;
    }
  }
  if (peek() != ':') return fail("colon expected after route");
  ++at_;
  return skip_space();
}

// From "<" to after ">".
bool Parser::read_angle(ListedAddress& found) {
  ++at_;
  if (!skip_space()) return false;
  if (peek() == '@' && !read_route()) return false;
  found.spec_offset = at_;
  Words words;
  if (!read_words(words)) return false;
  std::string domain;
  found.spec_bytes = words.any ? words.end - found.spec_offset : 0;
  if (peek() == '@') {
    ++at_;
    if (!read_domain(domain)) return false;
    found.spec_bytes = at_ - found.spec_offset;
  }
  if (!skip_space()) return false;
  if (peek() != '>') return fail("'>' missing at end of address");
  ++at_;
  found.item_bytes = at_ - found.item_offset;
  if (!words.any && domain.empty()) {
    list_.addresses.push_back(std::move(found));
    return true;
  }
  if (!words.second.empty()) return fail("missing or malformed local part");
  return take_address(std::move(found), words.compact, domain);
}

bool Parser::read_item() {
  ListedAddress found;
  found.item_offset = at_;
  found.group = in_group_ ? static_cast<int>(list_.groups.size()) - 1 : -1;
  Words words;
  if (!read_words(words)) return false;
  if (peek() == '<') {
    found.display = words.display;
    if (!read_angle(found) || !skip_space()) return false;
  } else if (peek() == ':' && words.any && !in_group_) {
    ++at_;
    list_.groups.push_back(words.display);
    in_group_ = true;
    return true;
  } else {
    std::string domain;
    size_t end = words.end;
    if (!words.any) return fail("missing or malformed local part");
    if (!words.second.empty()) {
      return fail("malformed address: " + words.second + " may not follow " + words.first);
    }
    if (peek() == '@') {
      ++at_;
      if (!read_domain(domain)) return false;
      end = at_;
    }
    found.spec_offset = found.item_offset;
    found.spec_bytes = end - found.item_offset;
    found.item_bytes = found.spec_bytes;
    if (!take_address(std::move(found), words.compact, domain) || !skip_space()) return false;
  }
  const bool ends = at_end() || peek() == ',' || (peek() == ';' && in_group_);
  if (ends) return true;
  const std::string rest = escape_control(text_.substr(at_, 40));
  return fail("malformed address: " + rest + " may not follow " +
              (list_.addresses.empty() ? std::string() : list_.addresses.back().address));
}

bool Parser::take_address(ListedAddress found, std::string_view local, std::string_view domain) {
  if (!is_local_part(local, utf8_)) return fail("missing or malformed local part");
  const bool literal = !domain.empty() && domain.front() == '[';
  if (!domain.empty() && !literal && !is_domain(domain, utf8_)) {
    return fail("domain missing or malformed");
  }
  found.address = local;
  found.has_domain = !domain.empty();
  if (found.has_domain) found.address.append("@").append(domain);
  list_.addresses.push_back(std::move(found));
  return true;
}

}  // namespace

Result<AddressList> parse_address_list(std::string_view text, Utf8 utf8) {
  return Parser(text, utf8).run();
}

Result<ListedAddress> parse_address(std::string_view text, Utf8 utf8, bool allow_empty) {
  Result<AddressList> list = parse_address_list(text, utf8);
  if (!list) return list.error();
  if (list->addresses.empty()) return bad("empty address");
  if (list->addresses.size() != 1 || !list->groups.empty()) return bad("one address expected");
  if (list->addresses.front().address.empty() && !allow_empty) return bad("empty address");
  return std::move(list->addresses.front());
}

}  // namespace godwit::message
