#include "acl/expand/arithmetic.h"

#include "core/base/ascii.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace godwit::acl {
namespace {

constexpr int kDepthMax = 50;  // nested parentheses and signs
constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();

int64_t wrapped(uint64_t value) {
  return static_cast<int64_t>(value);
}

// Precedence climbing; every function leaves at the first error.
class Reader {
 public:
  Reader(std::string_view text, bool decimal) : text_(text), decimal_(decimal) {}

  Arithmetic run() {
    Arithmetic result;
    result.value = expression(kLevels);
    if (error_.empty() && i_ < text_.size()) error_ = "expecting operator";
    result.error = error_;
    result.read = i_;
    return result;
  }

 private:
  struct Operator {
    size_t bytes = 0;  // 0: there is none
    int level = 0;     // a lower level binds tighter
    char sign = '\0';
  };
  static constexpr int kLevels = 6;

  void skip_space() {
    while (i_ < text_.size() && is_space(text_[i_])) ++i_;
  }
  int64_t wrong(std::string_view why) {
    if (error_.empty()) error_ = why;
    return 0;
  }

  Operator operator_here() const;
  int64_t apply(char sign, int64_t a, int64_t b);
  int64_t expression(int level);
  int64_t unary();
  int64_t number();

  std::string_view text_;
  bool decimal_;
  size_t i_ = 0;
  int depth_ = 0;
  std::string_view error_;  // constants only
};

Reader::Operator Reader::operator_here() const {
  if (i_ >= text_.size()) return {};
  const char c = text_[i_];
  switch (c) {
    case '*':
    case '/':
    case '%':
      return {1, 1, c};
    case '+':
    case '-':
      return {1, 2, c};
    case '<':
    case '>':
      if (i_ + 1 < text_.size() && text_[i_ + 1] == c) return {2, 3, c};
      return {};
    case '&':
      return {1, 4, c};
    case '|':
      return {1, 5, c};
    case '^':
      return {1, 6, c};
    default:
      return {};
  }
}

int64_t Reader::apply(char sign, int64_t a, int64_t b) {
  const auto left = static_cast<uint64_t>(a);
  const auto right = static_cast<uint64_t>(b);
  int64_t sum = 0;
  switch (sign) {
    case '*':
      return wrapped(left * right);
    case '/':
      if (b == 0) return wrong("divide by zero");
      // The one quotient that does not fit.
      return a == kLowest && b == -1 ? kHighest : a / b;
    case '%':
      if (b == 0) return wrong("modulo by zero");
      return b == -1 ? 0 : a % b;
    case '+':
      return __builtin_add_overflow(a, b, &sum) ? wrong("overflow in sum") : sum;
    case '-':
      return wrapped(left - right);
    case '<':
      return wrapped(left << (right & 63));
    case '>':
      return a >> (right & 63);
    case '&':
      return a & b;
    case '|':
      return a | b;
    default:
      return a ^ b;
  }
}

// What binds at `level` or tighter.
int64_t Reader::expression(int level) {
  int64_t value = unary();
  while (error_.empty()) {
    const Operator op = operator_here();
    if (op.bytes == 0 || op.level > level) break;
    i_ += op.bytes;
    const int64_t other = expression(op.level - 1);
    if (error_.empty()) value = apply(op.sign, value, other);
  }
  return value;
}

int64_t Reader::unary() {
  skip_space();
  if (++depth_ > kDepthMax) return wrong("nested too deeply");
  int64_t value = 0;
  const char c = i_ < text_.size() ? text_[i_] : '\0';
  if (is_digit(c)) {
    value = number();
  } else if (c == '+' || c == '-' || c == '~') {
    ++i_;
    value = unary();
    if (c == '-') value = wrapped(-static_cast<uint64_t>(value));
    if (c == '~') value = ~value;
  } else if (c == '(') {
    ++i_;
    value = expression(kLevels);
    if (error_.empty() && (i_ >= text_.size() || text_[i_] != ')')) {
      wrong("expecting closing parenthesis");
    } else if (error_.empty()) {
      ++i_;
    }
  } else {
    wrong("expecting number or opening parenthesis");
  }
  --depth_;
  skip_space();
  return value;
}

int64_t Reader::number() {
  uint64_t base = 10;
  if (!decimal_ && text_[i_] == '0') {
    base = 8;
    if (i_ + 1 < text_.size() && to_lower(text_[i_ + 1]) == 'x') {
      base = 16;
      i_ += 2;
    }
  }
  // A number that is too large stays at the largest.
  constexpr auto kMost = static_cast<uint64_t>(kHighest);
  uint64_t value = 0;
  // So many decimal digits always fit.
  constexpr size_t kEasyDigits = 18;
  const size_t easy = base == 10 ? std::min(i_ + kEasyDigits, text_.size()) : i_;
  while (i_ < easy && is_digit(text_[i_])) {
    value = value * 10 + static_cast<uint64_t>(text_[i_++] - '0');
  }
  for (; i_ < text_.size() && is_hex(text_[i_]); ++i_) {
    const auto digit = static_cast<uint64_t>(hex_value(text_[i_]));
    if (digit >= base) break;
    value = value > (kMost - digit) / base ? kMost : value * base + digit;
  }
  const char unit = i_ < text_.size() ? to_lower(text_[i_]) : '\0';
  const unsigned shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0;
  if (shift == 0) return static_cast<int64_t>(value);
  ++i_;
  return wrapped(value << shift);
}

}  // namespace

Arithmetic evaluate_arithmetic(std::string_view text, bool decimal) {
  return Reader(text, decimal).run();
}

}  // namespace godwit::acl
