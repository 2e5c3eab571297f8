#include "acl/expand/operators.h"

#include "core/base/ascii.h"

#include <algorithm>
#include <array>

namespace godwit::acl {
namespace {

EvalStatus run_lc(const Node&, std::string_view input, EvalContext&, std::string& out) {
  for (char c : input) out += to_lower(c);
  return EvalStatus::ok;
}

EvalStatus run_uc(const Node&, std::string_view input, EvalContext&, std::string& out) {
  for (char c : input) out += to_upper(c);
  return EvalStatus::ok;
}

EvalStatus run_length(const Node& node, std::string_view input, EvalContext&, std::string& out) {
  const auto wanted = static_cast<size_t>(std::max<int64_t>(node.numbers[0], 0));
  out += input.substr(0, wanted);
  return EvalStatus::ok;
}

// substr_START_LENGTH. A negative start counts from the end; without a length, what follows the
// start, or, for a negative one, what is before it.
EvalStatus run_substr(const Node& node, std::string_view input, EvalContext&, std::string& out) {
  const auto size = static_cast<int64_t>(input.size());
  int64_t start = node.numbers[0];
  int64_t length = node.number_count > 1 ? node.numbers[1] : size;
  if (start < 0) {
    start += size;
    if (node.number_count < 2) {
      length = start;
      start = 0;
    } else if (start < 0) {
      length += start;
      start = 0;
    }
  }
  start = std::min(start, size);
  length = std::clamp<int64_t>(length, 0, size - start);
  out += input.substr(static_cast<size_t>(start), static_cast<size_t>(length));
  return EvalStatus::ok;
}

EvalStatus run_local_part(const Node&, std::string_view input, EvalContext&, std::string& out) {
  out += address_parts(input).local_part;
  return EvalStatus::ok;
}

EvalStatus run_domain(const Node&, std::string_view input, EvalContext&, std::string& out) {
  out += address_parts(input).domain;
  return EvalStatus::ok;
}

EvalStatus run_quote_local_part(const Node&, std::string_view input, EvalContext&,
                                std::string& out) {
  append_quoted_local_part(input, out);
  return EvalStatus::ok;
}

void append_octal(unsigned char byte, std::string& out) {
  out += '\\';
  out += static_cast<char>('0' + (byte >> 6));
  out += static_cast<char>('0' + ((byte >> 3) & 7));
  out += static_cast<char>('0' + (byte & 7));
}

// Characters that do not print, as escapes.
EvalStatus run_escape(const Node&, std::string_view input, EvalContext&, std::string& out) {
  for (char c : input) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte >= 0x7f) {
      append_octal(byte, out);
    } else {
      out += c;
    }
  }
  return EvalStatus::ok;
}

EvalStatus run_escape8bit(const Node&, std::string_view input, EvalContext&, std::string& out) {
  for (char c : input) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) {
      append_octal(byte, out);
    } else {
      out += c;
    }
  }
  return EvalStatus::ok;
}

EvalStatus run_strlen(const Node&, std::string_view input, EvalContext&, std::string& out) {
  out += std::to_string(input.size());
  return EvalStatus::ok;
}

// clang-format off
// name, numbers min and max, function, documentation
constexpr auto kOperators = std::to_array<OperatorRow>({
    {"address", 0, 0, nullptr, "the address of a header's address"},
    {"addresses", 0, 0, nullptr, "the addresses of a header, as a list"},
    {"base32", 0, 0, nullptr, "number in base 32"},
    {"base32d", 0, 0, nullptr, "number from base 32"},
    {"base62", 0, 0, nullptr, "number in base 62"},
    {"base62d", 0, 0, nullptr, "number from base 62"},
    {"base64", 0, 0, nullptr, "text in base 64"},
    {"base64d", 0, 0, nullptr, "text from base 64"},
    {"domain", 0, 0, run_domain, "domain of an address"},
    {"escape", 0, 0, run_escape, "characters that do not print as escapes"},
    {"escape8bit", 0, 0, run_escape8bit, "bytes over 127 as escapes"},
    {"eval", 0, 0, nullptr, "arithmetic"},
    {"eval10", 0, 0, nullptr, "arithmetic, numbers always decimal"},
    {"expand", 0, 0, nullptr, "the text, expanded again"},
    {"from_utf8", 0, 0, nullptr, "UTF-8 to ISO-8859-1"},
    {"h", 1, 2, nullptr, "hash_n_m"},
    {"hash", 1, 2, nullptr, "hash of letters and digits"},
    {"headerwrap", 0, 2, nullptr, "folds a header"},
    {"hex2b64", 0, 0, nullptr, "hexadecimal to base 64"},
    {"hexquote", 0, 0, nullptr, "bytes over 127 as \\xNN"},
    {"ipv6denorm", 0, 0, nullptr, "IPv6 address in full"},
    {"ipv6norm", 0, 0, nullptr, "IPv6 address, shortest"},
    {"l", 1, 1, run_length, "length_n"},
    {"lc", 0, 0, run_lc, "lower case"},
    {"length", 1, 1, run_length, "the first n characters"},
    {"listcount", 0, 0, nullptr, "items of a list"},
    {"listnamed", 0, 0, nullptr, "text of a named list"},
    {"local_part", 0, 0, run_local_part, "local part of an address"},
    {"mask", 0, 0, nullptr, "network of an address"},
    {"md5", 0, 0, nullptr, "MD5"},
    {"nh", 1, 2, nullptr, "nhash_n_m"},
    {"nhash", 1, 2, nullptr, "numeric hash"},
    {"quote", 0, 0, nullptr, "quotes where needed"},
    {"quote_local_part", 0, 0, run_quote_local_part, "quotes a local part where needed"},
    {"randint", 0, 0, nullptr, "random number"},
    {"reverse_ip", 0, 0, nullptr, "address for DNS lists"},
    {"rfc2047", 0, 0, nullptr, "encoded words"},
    {"rfc2047d", 0, 0, nullptr, "decoded words"},
    {"rxquote", 0, 0, nullptr, "quotes for regular expressions"},
    {"s", 1, 2, run_substr, "substr_n_m"},
    {"sha1", 0, 0, nullptr, "SHA-1"},
    {"sha2", 0, 1, nullptr, "SHA-2"},
    {"sha256", 0, 0, nullptr, "SHA-256"},
    {"sha3", 0, 1, nullptr, "SHA-3"},
    {"stat", 0, 0, nullptr, "facts of a file"},
    {"str2b64", 0, 0, nullptr, "text in base 64"},
    {"strlen", 0, 0, run_strlen, "length"},
    {"substr", 1, 2, run_substr, "part of a text"},
    {"time_eval", 0, 0, nullptr, "time as seconds"},
    {"time_interval", 0, 0, nullptr, "seconds as time"},
    {"uc", 0, 0, run_uc, "upper case"},
    {"utf8_domain_from_alabel", 0, 0, nullptr, "domain from its ASCII form"},
    {"utf8_domain_to_alabel", 0, 0, nullptr, "domain in its ASCII form"},
    {"utf8_localpart_from_alabel", 0, 0, nullptr, "local part from its ASCII form"},
    {"utf8_localpart_to_alabel", 0, 0, nullptr, "local part in its ASCII form"},
    {"utf8clean", 0, 0, nullptr, "bytes that are not UTF-8 as ?"},
    {"xtextd", 0, 0, nullptr, "text from xtext"},
});

// name, available, documentation
constexpr auto kItems = std::to_array<ItemRow>({
    {"acl", false, "runs an ACL"},
    {"authresults", false, "an Authentication-Results header"},
    {"certextract", false, "a field of a certificate"},
    {"dlfunc", false, "function of a shared library"},
    {"env", false, "variable of the environment"},
    {"extract", false, "field of a text"},
    {"filter", false, "items of a list for which a condition holds"},
    {"hash", false, "hash of letters and digits"},
    {"hmac", false, "HMAC"},
    {"if", true, "one of two texts"},
    {"imapfolder", false, "name of an IMAP folder"},
    {"length", false, "the first characters"},
    {"listextract", false, "item of a list"},
    {"listquote", false, "item quoted for a list"},
    {"lookup", false, "answer of a lookup"},
    {"map", false, "a list with each item changed"},
    {"nhash", false, "numeric hash"},
    {"perl", false, "embedded Perl"},
    {"prvs", false, "signed address"},
    {"prvscheck", false, "check of a signed address"},
    {"readfile", false, "contents of a file"},
    {"readsocket", false, "answer of a socket"},
    {"reduce", false, "a list made one value"},
    {"run", false, "output of a command"},
    {"sg", false, "substitution"},
    {"sort", false, "a sorted list"},
    {"srs_encode", false, "SRS address"},
    {"substr", false, "part of a text"},
    {"tr", false, "characters replaced"},
});
// clang-format on

// RFC 5322 3.2.3.
bool is_atext(char c) {
  constexpr std::string_view kSpecials = "()<>[]:;@\\,.\"";
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte != 0x7f && kSpecials.find(c) == std::string_view::npos;
}

bool is_dot_atom(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.' && text[i - 1] == '.') return false;
    if (text[i] != '.' && !is_atext(text[i])) return false;
  }
  return true;
}

// The last '@' that is not inside double quotes.
size_t find_at_sign(std::string_view address) {
  size_t found = std::string_view::npos;
  bool quoted = false;
  for (size_t i = 0; i < address.size(); ++i) {
    if (address[i] == '\\') {
      ++i;
    } else if (address[i] == '"') {
      quoted = !quoted;
    } else if (address[i] == '@' && !quoted) {
      found = i;
    }
  }
  return found;
}

// The route-addr between angle brackets, or the whole text where there are none.
std::string_view inside_brackets(std::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '<' && !quoted) {
      const std::string_view rest = text.substr(i + 1);
      return rest.substr(0, rest.rfind('>'));
    }
  }
  return text;
}

bool has_blank_outside_quotes(std::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (is_space(text[i]) && !quoted) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::span<const OperatorRow> operator_rows() noexcept {
  return kOperators;
}
std::span<const ItemRow> item_rows() noexcept {
  return kItems;
}

void append_quoted_local_part(std::string_view text, std::string& out) {
  if (is_dot_atom(text)) {
    out += text;
    return;
  }
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\' || c == '\n' || c == '\r') out += '\\';
    out += c;
  }
  out += '"';
}

AddressParts address_parts(std::string_view text) noexcept {
  const std::string_view address = trim(inside_brackets(trim(text)));
  if (address.empty() || has_blank_outside_quotes(address)) return {};
  const size_t at = find_at_sign(address);
  if (at == std::string_view::npos) return {address, {}};
  if (at == 0 || at + 1 == address.size()) return {};
  return {address.substr(0, at), address.substr(at + 1)};
}

}  // namespace godwit::acl
