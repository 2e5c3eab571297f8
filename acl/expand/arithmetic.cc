#include "acl/expand/arithmetic.h"

#include "core/base/ascii.h"

#include <array>
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
    result.error = std::move(error_);
    result.read = i_;
    return result;
  }

 private:
  struct Operator {
    std::string_view sign;
    int level;  // a lower level binds tighter
    int64_t (Reader::*apply)(int64_t, int64_t);
  };
  static constexpr int kLevels = 6;
  static constexpr std::array<Operator, 10> operators();

  void skip_space() {
    while (i_ < text_.size() && is_space(text_[i_])) ++i_;
  }
  int64_t wrong(std::string_view why) {
    if (error_.empty()) error_ = why;
    return 0;
  }

  const Operator* operator_here(int level);
  int64_t expression(int level);
  int64_t unary();
  int64_t number();

  int64_t multiply(int64_t a, int64_t b) {
    return wrapped(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
  int64_t divide(int64_t a, int64_t b) {
    if (b == 0) return wrong("divide by zero");
    // The one quotient that does not fit.
    if (a == kLowest && b == -1) return kHighest;
    return a / b;
  }
  int64_t modulo(int64_t a, int64_t b) {
    if (b == 0) return wrong("modulo by zero");
    return b == -1 ? 0 : a % b;
  }
  int64_t add(int64_t a, int64_t b) {
    int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) return wrong("overflow in sum");
    return sum;
  }
  int64_t subtract(int64_t a, int64_t b) {
    return wrapped(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  }
  int64_t shift_left(int64_t a, int64_t b) {
    return wrapped(static_cast<uint64_t>(a) << (static_cast<uint64_t>(b) & 63));
  }
  int64_t shift_right(int64_t a, int64_t b) { return a >> (static_cast<uint64_t>(b) & 63); }
  int64_t bit_and(int64_t a, int64_t b) { return a & b; }
  int64_t bit_xor(int64_t a, int64_t b) { return a ^ b; }
  int64_t bit_or(int64_t a, int64_t b) { return a | b; }

  std::string_view text_;
  bool decimal_;
  size_t i_ = 0;
  int depth_ = 0;
  std::string error_;
};

constexpr std::array<Reader::Operator, 10> Reader::operators() {
  return {{
      {"*", 1, &Reader::multiply},
      {"/", 1, &Reader::divide},
      {"%", 1, &Reader::modulo},
      {"+", 2, &Reader::add},
      {"-", 2, &Reader::subtract},
      {"<<", 3, &Reader::shift_left},
      {">>", 3, &Reader::shift_right},
      {"&", 4, &Reader::bit_and},
      {"|", 5, &Reader::bit_or},
      {"^", 6, &Reader::bit_xor},
  }};
}

const Reader::Operator* Reader::operator_here(int level) {
  static constexpr auto kOperators = operators();
  for (const Operator& op : kOperators) {
    if (op.level == level && text_.substr(i_).starts_with(op.sign)) return &op;
  }
  return nullptr;
}

int64_t Reader::expression(int level) {
  if (level == 0) return unary();
  int64_t value = expression(level - 1);
  while (error_.empty()) {
    const Operator* op = operator_here(level);
    if (op == nullptr) break;
    i_ += op->sign.size();
    const int64_t other = expression(level - 1);
    if (error_.empty()) value = (this->*op->apply)(value, other);
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
