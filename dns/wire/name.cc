#include "dns/wire/name.h"

#include "core/base/ascii.h"
#include "dns/wire/limits.h"

#include <cstdint>

namespace godwit::dns {
namespace {

constexpr unsigned kPointerBits = 0xc0;

unsigned octet_at(std::string_view text, size_t at) noexcept {
  return static_cast<uint8_t>(text[at]);
}

// The octet that the escape at `at` (behind the backslash) stands for; moves behind it.
std::optional<char> read_escape(std::string_view text, size_t& at) {
  if (at >= text.size()) return std::nullopt;
  if (!is_digit(text[at])) return text[at++];
  if (at + 3 > text.size()) return std::nullopt;
  const std::optional<uint64_t> value = parse_decimal(text.substr(at, 3));
  if (!value || *value > 255) return std::nullopt;
  at += 3;
  return static_cast<char>(*value);
}

}  // namespace

Result<std::string> name_to_wire(std::string_view text) {
  if (text == ".") return std::string(1, '\0');
  std::string wire(1, '\0');
  size_t label = 0;  // where the length of the current label is
  for (size_t at = 0; at < text.size();) {
    char c = text[at++];
    if (c == '.') {
      if (wire.size() == label + 1) return Error(Errc::malformed, "empty label in a name");
      if (at == text.size()) break;
      label = wire.size();
      wire.push_back('\0');
      continue;
    }
    if (c == '\\') {
      const std::optional<char> escaped = read_escape(text, at);
      if (!escaped) return Error(Errc::malformed, "bad escape in a name");
      c = *escaped;
    }
    wire.push_back(c);
    const size_t length = wire.size() - label - 1;
    if (length > kLabelBytesMax) return Error(Errc::too_long, "label of a name");
    wire[label] = static_cast<char>(length);
    if (wire.size() >= kNameBytesMax) return Error(Errc::too_long, "name");
  }
  if (wire.size() == label + 1) return Error(Errc::malformed, "empty name");
  wire.push_back('\0');
  return wire;
}

std::string name_to_text(std::string_view wire) {
  std::string text;
  size_t at = 0;
  while (at < wire.size() && wire[at] != '\0') {
    const size_t end = at + 1 + octet_at(wire, at);
    if (end > wire.size()) break;
    if (!text.empty()) text.push_back('.');
    for (++at; at < end; ++at) {
      const unsigned octet = octet_at(wire, at);
      if (octet == '.' || octet == '\\') {
        text.push_back('\\');
        text.push_back(wire[at]);
      } else if (octet <= ' ' || octet > '~') {
        text.push_back('\\');
        text.push_back(static_cast<char>('0' + octet / 100));
        text.push_back(static_cast<char>('0' + octet / 10 % 10));
        text.push_back(static_cast<char>('0' + octet % 10));
      } else {
        text.push_back(wire[at]);
      }
    }
  }
  if (text.empty()) text = ".";
  return text;
}

bool same_name(std::string_view wire_a, std::string_view wire_b) noexcept {
  // Lengths of labels are under 'A', so that folding the case leaves them alone.
  return equals_ignore_case(wire_a, wire_b);
}

std::optional<std::string> read_name(std::string_view message, size_t& offset) {
  std::string wire;
  size_t at = offset;
  size_t segment = offset;  // every pointer must lead before where the last one led
  bool jumped = false;
  for (;;) {
    if (at >= message.size()) return std::nullopt;
    const unsigned length = octet_at(message, at);
    if ((length & kPointerBits) == kPointerBits) {
      if (at + 2 > message.size()) return std::nullopt;
      const size_t target = ((length & ~kPointerBits) << 8) | octet_at(message, at + 1);
      if (target >= segment) return std::nullopt;
      if (!jumped) offset = at + 2;
      jumped = true;
      at = segment = target;
      continue;
    }
    if (length > kLabelBytesMax || at + 1 + length > message.size()) return std::nullopt;
    if (wire.size() + 1 + length > kNameBytesMax) return std::nullopt;
    wire.append(message.substr(at, 1 + length));
    at += 1 + length;
    if (length == 0) break;
  }
  if (!jumped) offset = at;
  return wire;
}

bool skip_name(std::string_view message, size_t& offset) noexcept {
  while (offset < message.size()) {
    const unsigned length = octet_at(message, offset);
    if ((length & kPointerBits) == kPointerBits) {
      offset += 2;
      return offset <= message.size();
    }
    if (length > kLabelBytesMax) return false;
    offset += 1 + length;
    if (length == 0) return offset <= message.size();
  }
  return false;
}

}  // namespace godwit::dns
