// Operators on mail addresses and IP addresses.
#include "acl/expand/digest.h"
#include "acl/expand/list_text.h"
#include "acl/expand/operator_checks.h"
#include "acl/expand/operators.h"
#include "core/base/ascii.h"
#include "core/base/ip_address.h"
#include "core/base/quoted.h"
#include "protocol/message/address_list.h"
#include "protocol/message/address_syntax.h"
#include "protocol/message/limits.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace godwit::acl {
namespace {

// RFC 5322 3.2.3, and bytes over 127.
bool is_atext(char c) {
  return message::is_atext(c) || static_cast<unsigned char>(c) >= 0x80;
}

bool is_dot_atom(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.' && text[i - 1] == '.') return false;
    if (text[i] != '.' && !is_atext(text[i])) return false;
  }
  return true;
}

// True of what address_end() looks at; most characters are none of them.
bool may_part_addresses(char c) {
  static constexpr auto kMay = [] {
    std::array<bool, 256> may{};
    for (char mark : std::string_view("\\\"()<>,;")) may[static_cast<unsigned char>(mark)] = true;
    return may;
  }();
  return kMay[static_cast<unsigned char>(c)];
}

// Where the address that begins at `begin` ends: at a comma or semicolon outside of quotes,
// comments and angle brackets.
size_t address_end(std::string_view text, size_t begin) {
  bool quoted = false;
  int comments = 0;
  bool in_angle = false;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (!may_part_addresses(c)) continue;
    if (c == '\\') {
      ++i;
    } else if (c == '"' && comments == 0) {
      quoted = !quoted;
    } else if (quoted) {
      continue;
    } else if (c == '(') {
      ++comments;
    } else if (c == ')') {
      --comments;
    } else if (comments > 0) {
      continue;
    } else if (c == '<' || c == '>') {
      in_angle = c == '<';
    } else if (!in_angle && (c == ',' || c == ';')) {
      return i;
    }
  }
  return text.size();
}

// True of "a.b@c.d": an address without blanks, quotes, comments and literals.
bool is_bare_address(std::string_view text) {
  const size_t at = text.find('@');
  return at <= message::kLocalPartBytesMax &&
         message::is_dot_string(text.substr(0, at), message::Utf8::refused) &&
         message::is_domain(text.substr(at + 1), message::Utf8::refused);
}

// "a@b" of "Name <a@b>", where the name is plain words; empty for anything else.
std::string_view angled_address(std::string_view text) {
  if (!text.ends_with('>')) return {};
  const size_t open = text.find('<');
  if (open == std::string_view::npos) return {};
  for (char c : text.substr(0, open)) {
    if (c != ' ' && c != '.' && !message::is_atext(c)) return {};
  }
  const std::string_view inside = text.substr(open + 1, text.size() - open - 2);
  return is_bare_address(inside) ? inside : std::string_view();
}

// "a@b" of "Name <a@b> (comment)"; empty where the text is no address. It is a part of `text`, or
// `made`.
std::string_view one_address(std::string_view text, std::string& made) {
  if (is_bare_address(text)) return text;
  if (const std::string_view inside = angled_address(text); !inside.empty()) return inside;
  Result<message::ListedAddress> parsed =
      message::parse_address(text, message::Utf8::allowed, false);
  if (!parsed) return {};
  made = std::move(parsed->address);
  return made;
}

std::array<uint8_t, 16> as_v6(const IpAddress& address) {
  std::array<uint8_t, 16> bytes{};
  const std::string_view from = address.bytes();
  if (address.is_v6()) {
    std::copy(from.begin(), from.end(), bytes.begin());
  } else {
    bytes[10] = bytes[11] = 0xff;
    std::copy(from.begin(), from.end(), bytes.begin() + 12);
  }
  return bytes;
}

void append_groups(const std::array<uint8_t, 16>& bytes, char between, std::string& out) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (size_t i = 0; i < text.size(); i += 2) {
    if (i > 0) out += between;
    append_hex(text.substr(i, 2), false, out);
  }
}

void append_byte(unsigned byte, std::string& out) {
  if (byte >= 100) out += static_cast<char>('0' + byte / 100);
  if (byte >= 10) out += static_cast<char>('0' + byte / 10 % 10);
  out += static_cast<char>('0' + byte % 10);
}

// The longest run of two zero groups or more as "::", and nothing dotted.
void append_short_groups(const std::array<uint8_t, 16>& bytes, std::string& out) {
  std::array<unsigned, 8> groups{};
  for (size_t i = 0; i < 8; ++i)
    groups[i] = static_cast<unsigned>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  size_t best = 8;
  size_t best_length = 1;
  for (size_t i = 0; i < 8; ++i) {
    size_t length = 0;
    while (i + length < 8 && groups[i + length] == 0) ++length;
    if (length > best_length) {
      best = i;
      best_length = length;
    }
  }
  for (size_t i = 0; i < 8;) {
    if (i == best) {
      out += "::";
      i += best_length;
      continue;
    }
    char group[8];
    std::snprintf(group, sizeof group, "%x", groups[i]);
    out += group;
    if (++i < 8 && i != best) out += ':';
  }
}

// Only the first `bits` bits stay.
IpAddress masked(const IpAddress& address, uint64_t bits) {
  std::array<uint8_t, 16> bytes{};
  const std::string_view from = address.bytes();
  for (size_t i = 0; i < from.size(); ++i) {
    const uint64_t kept = bits > i * 8 ? std::min<uint64_t>(bits - i * 8, 8) : 0;
    bytes[i] = static_cast<uint8_t>(static_cast<uint8_t>(from[i]) & (0xff00u >> kept));
  }
  if (address.is_v6()) return IpAddress::v6(bytes);
  uint32_t host_order = 0;
  for (size_t i = 0; i < 4; ++i) host_order = host_order << 8 | bytes[i];
  return IpAddress::v4(host_order);
}

EvalStatus no_address(std::string_view input, EvalContext& context) {
  return fail(context, "\"" + std::string(input) + "\" is not an IP address");
}

}  // namespace

EvalStatus op_address(const Node&, std::string_view input, EvalContext&, std::string& out) {
  std::string made;
  out += one_address(input, made);
  return EvalStatus::ok;
}

// All addresses of a header's text. ">x" before them sets the separator of the list.
EvalStatus op_addresses(const Node&, std::string_view input, EvalContext&, std::string& out) {
  char separator = ':';
  input = trim_left(input);
  if (input.size() > 1 && input.front() == '>') {
    separator = input[1];
    input.remove_prefix(2);
  }
  ListWriter writer(out, separator);
  std::string made;
  for (size_t at = 0; at < input.size();) {
    const size_t end = address_end(input, at);
    std::string_view item = trim(input.substr(at, end - at));
    at = end + 1;
    // A group's name is no part of its first address.
    const size_t colon = item.find(':');
    if (colon != std::string_view::npos && item.find_first_of("<@\"") > colon) {
      item.remove_prefix(colon + 1);
    }
    const std::string_view address = one_address(trim(item), made);
    if (!address.empty()) writer.add(address);
  }
  return EvalStatus::ok;
}

EvalStatus op_local_part(const Node&, std::string_view input, EvalContext&, std::string& out) {
  std::string made;
  out += message::split_address(one_address(input, made)).local_part;
  return EvalStatus::ok;
}

EvalStatus op_domain(const Node&, std::string_view input, EvalContext&, std::string& out) {
  std::string made;
  out += message::split_address(one_address(input, made)).domain;
  return EvalStatus::ok;
}

EvalStatus op_quote_local_part(const Node&, std::string_view input, EvalContext&,
                               std::string& out) {
  append_quoted_local_part(input, out);
  return EvalStatus::ok;
}

EvalStatus op_ipv6denorm(const Node&, std::string_view input, EvalContext& context,
                         std::string& out) {
  const Result<IpAddress> address = IpAddress::parse(input);
  if (!address) return no_address(input, context);
  append_groups(as_v6(*address), ':', out);
  return EvalStatus::ok;
}

EvalStatus op_ipv6norm(const Node&, std::string_view input, EvalContext& context,
                       std::string& out) {
  const Result<IpAddress> address = IpAddress::parse(input);
  if (!address) return no_address(input, context);
  append_short_groups(as_v6(*address), out);
  return EvalStatus::ok;
}

bool check_mask_word(Node& node, std::string& why) {
  if (node.text == "n") return true;
  why = "mask takes no suffix but _n";
  return false;
}

// "10.1.2.3/8". IPv6 comes out with dots, as keys of lsearch files want it; with colons for mask_n.
EvalStatus op_mask(const Node& node, std::string_view input, EvalContext& context,
                   std::string& out) {
  const size_t slash = input.find('/');
  const Result<IpAddress> address = IpAddress::parse(input.substr(0, slash));
  const auto bits = slash == std::string_view::npos ? std::optional<uint64_t>(0)
                                                    : parse_decimal(input.substr(slash + 1));
  if (!address || !bits) return no_address(input, context);
  if (slash == std::string_view::npos) {
    return fail(context, "missing mask value in " + quoted(input));
  }
  if (*bits > (address->is_v6() ? 128u : 32u)) {
    return fail(context, "mask value too big in " + quoted(input));
  }
  const IpAddress network = masked(*address, *bits);
  if (!address->is_v6()) {
    const std::string_view bytes = network.bytes();
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (i > 0) out += '.';
      append_byte(static_cast<unsigned char>(bytes[i]), out);
    }
  } else if (node.text == "n") {
    append_short_groups(as_v6(network), out);
  } else {
    append_groups(as_v6(network), '.', out);
  }
  out += '/';
  append_decimal(out, *bits);
  return EvalStatus::ok;
}

constexpr std::string_view kHexDigits = "0123456789abcdef";

EvalStatus op_reverse_ip(const Node&, std::string_view input, EvalContext& context,
                         std::string& out) {
  const Result<IpAddress> address = IpAddress::parse(input);
  if (!address) {
    return fail(context, "reverse_ip() not given an IP address [" + std::string(input) + "]");
  }
  const std::string_view bytes = address->bytes();
  for (size_t i = bytes.size(); i-- > 0;) {
    const auto byte = static_cast<unsigned>(static_cast<unsigned char>(bytes[i]));
    if (address->is_v6()) {
      out += kHexDigits[byte & 15];
      out += '.';
      out += kHexDigits[byte >> 4];
    } else {
      append_byte(byte, out);
    }
    if (i > 0) out += '.';
  }
  return EvalStatus::ok;
}

void append_quoted_local_part(std::string_view text, std::string& out) {
  if (is_dot_atom(text)) {
    out += text;
    return;
  }
  append_in_quotes(text, out);
}

}  // namespace godwit::acl
