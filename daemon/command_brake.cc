#include "daemon/command_brake.h"

#include "core/base/ascii.h"
#include "core/base/quoted.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

namespace godwit::daemon {
namespace {

// A number with a fraction, and what it ends with.
struct Amount {
  double value = -1;
  std::string unit;
};

Amount read_amount(std::string_view text) {
  const std::string copy(trim(text));
  const bool is_number = !copy.empty() && (is_digit(copy.front()) || copy.front() == '.');
  if (!is_number) return {};
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (end == copy.c_str() || !std::isfinite(value)) return {};
  return {value, std::string(trim(end))};
}

// "0.5s", "4m": milliseconds; negative where it is none.
double read_millis(std::string_view text) {
  struct Unit {
    std::string_view name;
    double millis;
  };
  static constexpr std::array<Unit, 4> kUnits{{{"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"", 1e3}}};
  const Amount amount = read_amount(text);
  for (const Unit& unit : kUnits) {
    if (unit.name == amount.unit) return amount.value * unit.millis;
  }
  return -1;
}

}  // namespace

Result<CommandBrake> parse_command_brake(std::string_view text) {
  const std::string whole(text);
  std::array<std::string_view, 4> parts;
  size_t count = 0;
  for (bool more = true; more && count < parts.size(); ++count) {
    const size_t comma = text.find(',');
    parts[count] = trim(text.substr(0, comma));
    more = comma != std::string_view::npos;
    text = more ? text.substr(comma + 1) : std::string_view();
  }
  CommandBrake brake;
  const std::optional<uint64_t> threshold = parse_decimal(parts[0]);
  const Amount factor = read_amount(parts[2]);
  brake.delay_ms = read_millis(parts[1]);
  brake.factor = factor.value;
  brake.longest_ms = read_millis(parts[3]);
  const bool is_good = count == parts.size() && text.empty() && threshold && *threshold > 0 &&
                       *threshold <= UINT32_MAX && brake.delay_ms > 0 && factor.unit.empty() &&
                       brake.factor >= 1 && brake.longest_ms > 0;
  if (!is_good)
    return Error(Errc::config, quoted(whole) + " is not \"threshold,delay,factor,longest\"");
  brake.threshold = static_cast<uint32_t>(*threshold);
  return brake;
}

Millis brake_delay(const CommandBrake& brake, uint32_t number) noexcept {
  if (brake.threshold == 0 || number <= brake.threshold) return Millis(0);
  const double before = static_cast<double>(number - brake.threshold - 1);
  const double delay = brake.delay_ms * std::pow(brake.factor, before);
  return Millis(static_cast<int64_t>(std::fmin(delay, brake.longest_ms)));
}

}  // namespace godwit::daemon
