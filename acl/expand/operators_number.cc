// Operators on numbers, times, and hashes that are no digests.
#include "acl/expand/arithmetic.h"
#include "acl/expand/conditions.h"
#include "acl/expand/operators.h"
#include "acl/expand/outside.h"
#include "core/base/ascii.h"
#include "core/base/random.h"
#include "core/base/time.h"
#include "core/config/values.h"

#include <array>
#include <limits>

namespace godwit::acl {
namespace {

constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr size_t kBase62Width = 6;
constexpr std::string_view kHashLetters =
    "abcdefghijklmnopqrtsuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr size_t kHashLettersDefault = 26;

EvalStatus wrong_number(EvalContext& context, std::string_view op, std::string_view input,
                        std::string_view kind) {
  return fail(context, "argument for " + std::string(op) + " operator is \"" + std::string(input) +
                           "\", which is not a " + std::string(kind) + " number");
}

// Blanks and a sign may come first; a negative number wraps around. Nothing is 0.
std::optional<uint64_t> plain_number(std::string_view input) {
  if (input.empty()) return 0;
  input = trim_left(input);
  const bool negative = input.starts_with('-');
  if (negative || input.starts_with('+')) input.remove_prefix(1);
  const std::optional<uint64_t> number = parse_decimal(input);
  if (!number || !negative) return number;
  return -*number;
}

void append_number(int64_t value, std::string& out) {
  const auto size = static_cast<uint64_t>(value);
  if (value < 0) out += '-';
  append_decimal(out, value < 0 ? -size : size);
}

EvalStatus run_eval(std::string_view input, bool decimal, EvalContext& context, std::string& out) {
  const Arithmetic result = evaluate_arithmetic(input, decimal);
  if (!result.error.empty()) {
    return fail(context, "error in expression evaluation: " + std::string(result.error) +
                             " (after processing \"" + std::string(input.substr(0, result.read)) +
                             "\")");
  }
  append_number(result.value, out);
  return EvalStatus::ok;
}

}  // namespace

EvalStatus op_base32(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  const std::optional<uint64_t> number = plain_number(input);
  if (!number) return wrong_number(context, "base32", input, "decimal");
  std::string digits;
  for (uint64_t rest = *number; rest != 0; rest >>= 5) {
    digits.insert(digits.begin(), kBase32[rest & 31]);
  }
  out += digits;
  return EvalStatus::ok;
}

EvalStatus op_base32d(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  uint64_t number = 0;
  for (char c : input) {
    const size_t digit = kBase32.find(c);
    if (digit == std::string_view::npos) return wrong_number(context, "base32d", input, "base 32");
    number = number * 32 + digit;
  }
  out += std::to_string(number);
  return EvalStatus::ok;
}

EvalStatus op_base62(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  const std::optional<uint64_t> number = plain_number(input);
  if (!number) return wrong_number(context, "base62", input, "decimal");
  size_t width = kBase62Width;
  for (uint64_t rest = *number / 56'800'235'584; rest != 0; rest /= 62) ++width;
  append_base62(out, *number, width);
  return EvalStatus::ok;
}

EvalStatus op_base62d(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  // What does not fit wraps around, and below zero.
  uint64_t number = 0;
  for (char c : input) {
    const std::optional<uint64_t> digit = parse_base62(std::string_view(&c, 1));
    if (!digit) return wrong_number(context, "base62d", input, "base 62");
    number = number * 62 + *digit;
  }
  out += std::to_string(static_cast<int64_t>(number));
  return EvalStatus::ok;
}

EvalStatus op_eval(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  return run_eval(input, false, context, out);
}

EvalStatus op_eval10(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  return run_eval(input, true, context, out);
}

EvalStatus op_hash(const Node& node, std::string_view input, EvalContext& context,
                   std::string& out) {
  std::optional<int64_t> letters;
  if (node.number_count > 1) letters = node.numbers[1];
  std::string why;
  if (take_hash(input, node.numbers[0], letters, out, why)) return EvalStatus::ok;
  return fail(context, why);
}

// What is longer than `length` is folded onto its own beginning.
bool take_hash(std::string_view input, int64_t length, std::optional<int64_t> letters,
               std::string& out, std::string& why) {
  const int64_t count = letters.value_or(kHashLettersDefault);
  if (count <= 0 || count > std::ssize(kHashLetters)) {
    why = "hash count \"" + std::to_string(count) + "\" too big";
    return false;
  }
  if (length < 0 || length >= std::ssize(input)) {
    out += input;
    return true;
  }
  const auto size = static_cast<size_t>(length);
  std::string text(input);
  for (size_t i = 0, j = size; j < text.size(); ++j) {
    const unsigned c = static_cast<unsigned char>(text[j]);
    const unsigned shift = (c + static_cast<unsigned>(j)) & 7;
    if (size != 0)
      text[i] = static_cast<char>(text[i] ^ static_cast<char>((c << shift) | (c >> (8 - shift))));
    if (++i >= size) i = 0;
  }
  for (size_t i = 0; i < size; ++i) {
    out += kHashLetters[static_cast<unsigned char>(text[i]) % static_cast<size_t>(count)];
  }
  return true;
}

EvalStatus op_nhash(const Node& node, std::string_view input, EvalContext& context,
                    std::string& out) {
  std::optional<int64_t> second;
  if (node.number_count > 1) second = node.numbers[1];
  if (node.numbers[0] <= 0 || second.value_or(1) <= 0) {
    return fail(context, "\"nhash\" needs numbers above 0");
  }
  take_nhash(input, node.numbers[0], second, out);
  return EvalStatus::ok;
}

// A sum of characters, each multiplied by a prime.
void take_nhash(std::string_view input, int64_t first, std::optional<int64_t> second,
                std::string& out) {
  static constexpr std::array<uint64_t, 29> kPrimes{3,  5,  7,  11, 13,  17,  19,  23,  29, 31,
                                                    37, 41, 43, 47, 53,  59,  61,  67,  71, 73,
                                                    79, 83, 89, 97, 101, 103, 107, 109, 113};
  uint64_t total = 0;
  size_t i = 0;
  for (char c : input) {
    if (i == 0) i = kPrimes.size();
    total += kPrimes[--i] * static_cast<unsigned char>(c);
  }
  const auto divisor = static_cast<uint64_t>(first);
  if (!second) {
    append_decimal(out, total % divisor);
    return;
  }
  const auto inner = static_cast<uint64_t>(*second);
  total %= divisor * inner;
  append_decimal(out, total / inner);
  out += '/';
  append_decimal(out, total % inner);
}

EvalStatus op_randint(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  const std::optional<int64_t> bound = expression_number(input);
  if (!bound) {
    return fail(context, "integer expected but \"" + std::string(input) + "\" found");
  }
  if (*bound < 0) {
    return fail(context, "non-negative integer expected but \"" + std::string(input) + "\" found");
  }
  Random random = Random::from_system();
  out += std::to_string(*bound <= 0 ? 0 : random.below(static_cast<uint64_t>(*bound)));
  return EvalStatus::ok;
}

EvalStatus op_stat(const Node&, std::string_view input, EvalContext& context, std::string& out) {
  return append_file_facts(std::string(input), context, out);
}

EvalStatus op_time_eval(const Node&, std::string_view input, EvalContext& context,
                        std::string& out) {
  const Result<Seconds> time = config::parse_time(input);
  if (!time || input.empty()) {
    return fail(context, "string \"" + std::string(input) +
                             "\" is not an Exim time interval in \"time_eval\" operator");
  }
  append_number(time->count, out);
  return EvalStatus::ok;
}

EvalStatus op_time_interval(const Node&, std::string_view input, EvalContext& context,
                            std::string& out) {
  const std::optional<uint64_t> seconds =
      input.empty() ? std::optional<uint64_t>(0) : parse_decimal(input);
  if (!seconds || *seconds > std::numeric_limits<int32_t>::max()) {
    return fail(context, "string \"" + std::string(input) +
                             "\" is not a positive number in \"time_interval\" operator");
  }
  out += format_interval({static_cast<int64_t>(*seconds)});
  return EvalStatus::ok;
}

}  // namespace godwit::acl
