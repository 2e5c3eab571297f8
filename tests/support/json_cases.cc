#include "tests/support/json_cases.h"

#include "core/base/ascii.h"

#include <cstdlib>
#include <filesystem>

namespace godwit::test {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Json value() {
    skip_space();
    if (take("{")) return object();
    if (take("[")) return array();
    if (peek() == '"') return {.kind = Json::Kind::string, .string = text()};
    if (take("true")) return {.kind = Json::Kind::boolean, .boolean = true};
    if (take("false")) return {.kind = Json::Kind::boolean};
    if (take("null")) return {};
    return number();
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (is_space(peek())) ++at_;
  }
  bool take(std::string_view word) {
    skip_space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Json object() {
    Json result{.kind = Json::Kind::object};
    while (at_ < text_.size() && !take("}")) {
      skip_space();
      const std::string name = text();
      take(":");
      result.members[name] = value();
      take(",");
    }
    return result;
  }

  Json array() {
    Json result{.kind = Json::Kind::array};
    while (at_ < text_.size() && !take("]")) {
      result.items.push_back(value());
      take(",");
    }
    return result;
  }

  Json number() {
    const size_t begin = at_;
    while (is_digit(peek()) || peek() == '-' || peek() == '+' || peek() == '.' || peek() == 'e' ||
           peek() == 'E') {
      ++at_;
    }
    if (at_ == begin) ++at_;  // not JSON: go on, so that reading ends
    const std::string digits(text_.substr(begin, at_ - begin));
    return {.kind = Json::Kind::number, .number = std::strtod(digits.c_str(), nullptr)};
  }

  std::string text() {
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] != '\\') {
        out.push_back(text_[at_]);
        continue;
      }
      const char c = text_[++at_];
      if (c == 'u') {
        append_utf8(out, static_cast<unsigned>(std::strtoul(
                             std::string(text_.substr(at_ + 1, 4)).c_str(), nullptr, 16)));
        at_ += 4;
      } else {
        out.push_back(c == 'n'   ? '\n'
                      : c == 'r' ? '\r'
                      : c == 't' ? '\t'
                      : c == 'b' ? '\b'
                      : c == 'f' ? '\f'
                                 : c);
      }
    }
    ++at_;
    return out;
  }

  static void append_utf8(std::string& out, unsigned code) {
    if (code < 0x80) {
      out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      out.push_back(static_cast<char>(0xc0 | (code >> 6)));
      out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    } else {
      out.push_back(static_cast<char>(0xe0 | (code >> 12)));
      out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
      out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

const Json& Json::operator[](const std::string& name) const {
  static const Json kNull;
  const auto found = members.find(name);
  return found == members.end() ? kNull : found->second;
}

Json parse_json(std::string_view text) {
  return Reader(text).value();
}

std::string shared_data(std::string_view source_dir, std::string_view file) {
  const char* const shared = std::getenv("GODWIT_SHARED");
  const std::string root =
      shared != nullptr ? std::string(shared) : std::string(source_dir) + "/../shared";
  const std::string path = root + "/data/" + std::string(file);
  return std::filesystem::exists(path) ? path : std::string();
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t at = 0; at + 1 < hex.size(); at += 2) {
    bytes.push_back(static_cast<char>(hex_value(hex[at]) * 16 + hex_value(hex[at + 1])));
  }
  return bytes;
}

}  // namespace godwit::test
