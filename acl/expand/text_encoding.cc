#include "acl/expand/text_encoding.h"

#include "acl/expand/digest.h"
#include "core/base/ascii.h"
#include "protocol/message/address_syntax.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <vector>

namespace godwit::acl {
namespace {

constexpr size_t kWordBytesMax = 75;   // RFC 2047 2
constexpr size_t kWordBytesMade = 67;  // after which a word that is being made ends
constexpr size_t kPunycodeBytesMax = 1024;

// The code point at the start of `text` and its length; length 0 where it is not UTF-8.
struct CodePoint {
  uint32_t value = 0;
  size_t length = 0;
};
CodePoint first_code_point(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const size_t length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length == 0 || length > text.size() || !message::is_utf8(text.substr(0, length))) return {};
  if (length == 1) return {lead, 1};
  uint32_t value = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    value = value << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  }
  return {value, length};
}

// How many bytes one "?" stands for: a lead with those of its continuations that are there.
size_t broken_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0xc0 || lead > 0xf7) return 1;
  const size_t wanted = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  size_t length = 1;
  while (length < std::min(wanted, text.size()) &&
         (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) {
    ++length;
  }
  return length;
}

void append_utf8(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  const int extra = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr std::array<uint32_t, 4> kLeads{0, 0xc0, 0xe0, 0xf0};
  out += static_cast<char>(kLeads[static_cast<size_t>(extra)] | c >> (6 * extra));
  for (int i = extra - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3f));
}

std::string decode_q(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool coded =
        text[i] == '=' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2]);
    if (coded) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '_' ? ' ' : text[i];
    }
  }
  return out;
}

struct EncodedWord {
  size_t end = 0;  // after "?="; 0: none
  std::string charset;
  std::string bytes;
};

// The word that begins with "=?" at `at`.
EncodedWord read_word(std::string_view text, size_t at, bool check_length) {
  const size_t charset = at + 2;
  const size_t encoding = text.find('?', charset);
  if (encoding == std::string_view::npos || encoding + 2 >= text.size()) return {};
  if (text[encoding + 2] != '?' || encoding == charset) return {};
  const size_t content = encoding + 3;
  const size_t end = text.find("?=", content);
  if (end == std::string_view::npos) return {};
  const std::string_view body = text.substr(content, end - content);
  if (body.find_first_of(" \t\n?") != std::string_view::npos) return {};
  if (check_length && end + 2 - at > kWordBytesMax) return {};
  EncodedWord word;
  const char kind = to_lower(text[encoding + 1]);
  if (kind == 'q') {
    word.bytes = decode_q(body);
  } else if (kind == 'b') {
    std::optional<std::string> bytes = from_base64(body);
    if (!bytes) return {};
    word.bytes = std::move(*bytes);
  } else {
    return {};
  }
  word.end = end + 2;
  // RFC 2231 5: a language may follow a star.
  const std::string_view name = text.substr(charset, encoding - charset);
  word.charset = std::string(name.substr(0, name.find('*')));
  return word;
}

// What an encoded word shows as it is, or as "_".
constexpr auto kStandsInWord = [] {
  constexpr std::string_view kSpecials = "?=()<>@,;:\\\".[]_";
  std::array<bool, 256> table{};
  for (int c = ' '; c < 127; ++c) {
    table[static_cast<size_t>(c)] = kSpecials.find(static_cast<char>(c)) == std::string_view::npos;
  }
  return table;
}();

// RFC 3492 5.
constexpr uint32_t kBase = 36;
constexpr uint32_t kMin = 1;
constexpr uint32_t kMax = 26;
constexpr uint32_t kSkew = 38;
constexpr uint32_t kDamp = 700;
constexpr uint32_t kInitialBias = 72;
constexpr uint32_t kInitialN = 128;
constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz0123456789";

uint32_t adapt(uint32_t delta, uint32_t points, bool first) {
  delta = first ? delta / kDamp : delta / 2;
  delta += delta / points;
  uint32_t k = 0;
  for (; delta > ((kBase - kMin) * kMax) / 2; k += kBase) delta /= kBase - kMin;
  return k + (kBase - kMin + 1) * delta / (delta + kSkew);
}

uint32_t threshold(uint32_t k, uint32_t bias) {
  return k <= bias ? kMin : k >= bias + kMax ? kMax : k - bias;
}

void append_delta(uint32_t delta, uint32_t bias, std::string& out) {
  for (uint32_t k = kBase;; k += kBase) {
    const uint32_t t = threshold(k, bias);
    if (delta < t) break;
    out += kDigits[t + (delta - t) % (kBase - t)];
    delta = (delta - t) / (kBase - t);
  }
  out += kDigits[delta];
}

}  // namespace

std::string repair_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    if (point.length == 0) {
      out += '?';
      text.remove_prefix(broken_length(text));
      continue;
    }
    out += text.substr(0, point.length);
    text.remove_prefix(point.length);
  }
  return out;
}

std::string latin1_of(std::string_view utf8) {
  std::string out;
  while (!utf8.empty()) {
    const CodePoint point = first_code_point(utf8);
    out += point.length == 0 || point.value > 255 ? '_' : static_cast<char>(point.value);
    utf8.remove_prefix(std::max<size_t>(point.length, 1));
  }
  return out;
}

std::optional<std::string> convert_charset(std::string_view bytes, const std::string& from,
                                           const std::string& to) {
  const iconv_t converter = iconv_open(to.c_str(), from.c_str());
  if (converter == reinterpret_cast<iconv_t>(-1)) return std::nullopt;
  std::string input(bytes);
  char* in = input.data();
  size_t in_left = input.size();
  std::string out;
  std::array<char, 1024> buffer{};
  while (in_left > 0) {
    char* next = buffer.data();
    size_t room = buffer.size();
    const size_t done = iconv(converter, &in, &in_left, &next, &room);
    out.append(buffer.data(), buffer.size() - room);
    if (done != static_cast<size_t>(-1) || errno == E2BIG) continue;
    // A byte that means nothing.
    out += '?';
    ++in;
    --in_left;
  }
  iconv_close(converter);
  return out;
}

std::string decode_words(std::string_view text, const std::string& charset, bool check_length) {
  std::string out;
  size_t at = 0;
  bool after_word = false;
  while (at < text.size()) {
    const size_t begin = text.find("=?", at);
    if (begin == std::string_view::npos) break;
    const EncodedWord word = read_word(text, begin, check_length);
    if (word.end == 0) {
      out += text.substr(at, begin + 2 - at);
      at = begin + 2;
      after_word = false;
      continue;
    }
    // White space between two words is part of neither.
    const std::string_view between = text.substr(at, begin - at);
    if (!after_word || !trim(between).empty()) out += between;
    std::optional<std::string> converted;
    if (!charset.empty() && !equals_ignore_case(charset, word.charset)) {
      converted = convert_charset(word.bytes, word.charset, charset);
    }
    out += converted ? *converted : word.bytes;
    at = word.end;
    after_word = true;
  }
  out += text.substr(std::min(at, text.size()));
  return out;
}

void append_encoded_words(std::string_view text, std::string_view charset, std::string& out) {
  const auto is_coded = [](char c) { return !kStandsInWord[static_cast<unsigned char>(c)]; };
  if (std::none_of(text.begin(), text.end(), is_coded)) {
    out += text;
    return;
  }
  constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto begin_word = [&] { out.append("=?").append(charset).append("?Q?"); };
  begin_word();
  size_t line = out.size();
  bool inside = false;  // after the first byte of a pair
  for (char c : text) {
    if (out.size() - line > kWordBytesMade && !inside) {
      out += "?= ";
      line = out.size();
      begin_word();
    }
    if (!is_coded(c)) {
      out += c == ' ' ? '_' : c;
      inside = false;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '=';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
    inside = !inside;
  }
  out += "?=";
}

std::optional<std::string> to_punycode(std::string_view utf8) {
  if (utf8.size() > kPunycodeBytesMax) return std::nullopt;
  std::vector<uint32_t> points;
  std::string out;
  for (std::string_view rest = utf8; !rest.empty();) {
    const CodePoint point = first_code_point(rest);
    if (point.length == 0) return std::nullopt;
    points.push_back(point.value);
    if (point.value < 128) out += static_cast<char>(point.value);
    rest.remove_prefix(point.length);
  }
  const auto plain = static_cast<uint32_t>(out.size());
  if (plain == points.size()) return out;
  if (plain > 0) out += '-';
  uint32_t n = kInitialN;
  uint32_t delta = 0;
  uint32_t bias = kInitialBias;
  for (uint32_t done = plain; done < points.size(); ++n, ++delta) {
    uint32_t next = UINT32_MAX;
    for (uint32_t point : points) {
      if (point >= n && point < next) next = point;
    }
    delta += (next - n) * (done + 1);
    n = next;
    for (uint32_t point : points) {
      if (point < n) ++delta;
      if (point != n) continue;
      append_delta(delta, bias, out);
      bias = adapt(delta, done + 1, done == plain);
      delta = 0;
      ++done;
    }
  }
  return "xn--" + out;
}

std::optional<std::string> from_punycode(std::string_view ascii) {
  if (!starts_with_ignore_case(ascii, "xn--")) return std::nullopt;
  ascii.remove_prefix(4);
  if (ascii.size() > kPunycodeBytesMax) return std::nullopt;
  std::vector<uint32_t> points;
  const size_t hyphen = ascii.rfind('-');
  const size_t plain = hyphen == std::string_view::npos ? 0 : hyphen;
  for (char c : ascii.substr(0, plain)) points.push_back(static_cast<unsigned char>(c));
  uint64_t n = kInitialN;
  uint64_t index = 0;
  uint32_t bias = kInitialBias;
  for (size_t at = plain > 0 ? plain + 1 : 0; at < ascii.size();) {
    const uint64_t before = index;
    uint64_t weight = 1;
    for (uint32_t k = kBase;; k += kBase) {
      if (at >= ascii.size()) return std::nullopt;
      const size_t digit = kDigits.find(to_lower(ascii[at++]));
      if (digit == std::string_view::npos) return std::nullopt;
      index += digit * weight;
      if (index > UINT32_MAX) return std::nullopt;
      const uint32_t t = threshold(k, bias);
      if (digit < t) break;
      weight *= kBase - t;
      if (weight > UINT32_MAX) return std::nullopt;
    }
    const auto count = static_cast<uint32_t>(points.size() + 1);
    bias = adapt(static_cast<uint32_t>(index - before), count, before == 0);
    n += index / count;
    index %= count;
    if (n > 0x10ffff) return std::nullopt;
    points.insert(points.begin() + static_cast<ptrdiff_t>(index), static_cast<uint32_t>(n));
    ++index;
  }
  std::string out;
  for (uint32_t point : points) append_utf8(point, out);
  if (!message::is_utf8(out)) return std::nullopt;
  return out;
}

}  // namespace godwit::acl
