#include "acl/expand/arithmetic.h"

#include "core/base/ascii.h"

#include <algorithm>
#include <limits>

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
  Reader(std::string_view text, bool decimal)
      : at_(text.data()), end_(at_ + text.size()), decimal_(decimal) {}

  Arithmetic run() {
    const char* const begin = at_;
    Arithmetic result;
    result.value = expression(kLevels);
    if (error_.empty() && at_ != end_) error_ = "expecting operator";
    result.error = error_;
    result.read = static_cast<size_t>(at_ - begin);
    return result;
  }

 private:
  struct Operator {
    size_t bytes = 0;  // 0: there is none
    int level = 0;     // a lower level binds tighter
    char sign = '\0';
  };
  static constexpr int kLevels = 6;

  // A NUL at the end, which is part of no expression.
  char here() const { return at_ != end_ ? *at_ : '\0'; }
  void skip_space() {
    while (is_space(here())) ++at_;
  }
  int64_t wrong(std::string_view why) {
    if (error_.empty()) error_ = why;
    return 0;
  }

  Operator operator_here() const;
  int64_t apply(char sign, int64_t a, int64_t b);
  int64_t expression(int level);
  int64_t unary();
  int64_t inner(char sign);
  int64_t number();
  int64_t any_number();

  const char* at_;
  const char* const end_;
  bool decimal_;
  int depth_ = 0;
  std::string_view error_;  // constants only
};

Reader::Operator Reader::operator_here() const {
  const char c = here();
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
      if (end_ - at_ > 1 && at_[1] == c) return {2, 3, c};
      return {};
    case '&':
      return {1, 4, c};
    case '^':
      return {1, 5, c};
    case '|':
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
    at_ += op.bytes;
    const int64_t other = expression(op.level - 1);
    if (error_.empty()) value = apply(op.sign, value, other);
  }
  return value;
}

int64_t Reader::unary() {
  skip_space();
  const int64_t value = is_digit(here()) ? number() : inner(here());
  skip_space();
  return value;
}

// What stands behind a sign or in parentheses.
int64_t Reader::inner(char sign) {
  if (sign != '+' && sign != '-' && sign != '~' && sign != '(') {
    return wrong("expecting number or opening parenthesis");
  }
  ++at_;
  skip_space();
  if (depth_ + 1 >= kDepthMax) return wrong("nested too deeply");
  ++depth_;
  int64_t value = sign == '(' ? expression(kLevels) : unary();
  --depth_;
  if (sign == '-') value = wrapped(-static_cast<uint64_t>(value));
  if (sign == '~') value = ~value;
  if (sign != '(' || !error_.empty()) return value;
  if (here() != ')') return wrong("expecting closing parenthesis");
  ++at_;
  return value;
}

// A few decimal digits are what nearly every number is.
int64_t Reader::number() {
  constexpr ptrdiff_t kEasyDigits = 18;  // they always fit
  if (!decimal_ && *at_ == '0') return any_number();
  const char* const stop = at_ + std::min(kEasyDigits, end_ - at_);
  int64_t value = 0;
  const char* at = at_;
  while (at != stop && is_digit(*at)) value = value * 10 + (*at++ - '0');
  if (at != end_ && is_alnum(*at)) return any_number();
  at_ = at;
  return value;
}

// With a base, a unit, or more digits than fit.
int64_t Reader::any_number() {
  uint64_t base = 10;
  if (!decimal_ && *at_ == '0') {
    base = 8;
    if (end_ - at_ > 1 && to_lower(at_[1]) == 'x') {
      base = 16;
      at_ += 2;
    }
  }
  // A number that is too large stays at the largest.
  constexpr auto kMost = static_cast<uint64_t>(kHighest);
  uint64_t value = 0;
  for (; is_hex(here()); ++at_) {
    const auto digit = static_cast<uint64_t>(hex_value(*at_));
    if (digit >= base) break;
    value = value > (kMost - digit) / base ? kMost : value * base + digit;
  }
  const char unit = to_lower(here());
  const unsigned shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0;
  if (shift == 0) return static_cast<int64_t>(value);
  ++at_;
  return wrapped(value << shift);
}

}  // namespace

Arithmetic evaluate_arithmetic(std::string_view text, bool decimal) {
  return Reader(text, decimal).run();
}

}  // namespace godwit::acl
