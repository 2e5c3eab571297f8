#include "core/base/time.h"

#include "core/base/ascii.h"

#include <array>
#include <cstdlib>
#include <ctime>

namespace godwit {
namespace {

constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::tm broken_down(WallTime at, bool utc) {
  const time_t seconds = at.seconds();
  std::tm parts{};
  if (utc) {
    gmtime_r(&seconds, &parts);
  } else {
    localtime_r(&seconds, &parts);
  }
  return parts;
}

// With leading zeros, at least `width` digits.
void append_number(std::string& out, int value, size_t width) {
  const std::string digits = std::to_string(value);
  if (digits.size() < width) out.append(width - digits.size(), '0');
  out += digits;
}

void append_clock(std::string& out, const std::tm& t) {
  append_number(out, t.tm_hour, 2);
  out += ':';
  append_number(out, t.tm_min, 2);
  out += ':';
  append_number(out, t.tm_sec, 2);
}

}  // namespace

// Both are made several times a message: no formatting function that reads a pattern.
std::string format_log_time(WallTime at, bool utc) {
  const std::tm t = broken_down(at, utc);
  std::string out;
  out.reserve(sizeof "2026-11-21 04:30:00");
  append_number(out, t.tm_year + 1900, 4);
  out += '-';
  append_number(out, t.tm_mon + 1, 2);
  out += '-';
  append_number(out, t.tm_mday, 2);
  out += ' ';
  append_clock(out, t);
  return out;
}

std::string format_rfc5322_time(WallTime at, bool utc) {
  const std::tm t = broken_down(at, utc);
  std::string out;
  out.reserve(sizeof "Sat, 21 Nov 2026 04:30:00 +0000");
  out += kDays[static_cast<size_t>(t.tm_wday)];
  out += ", ";
  append_number(out, t.tm_mday, 2);
  out += ' ';
  out += kMonths[static_cast<size_t>(t.tm_mon)];
  out += ' ';
  append_number(out, t.tm_year + 1900, 4);
  out += ' ';
  append_clock(out, t);
  const auto offset_minutes = static_cast<int>(t.tm_gmtoff / 60);
  const int distance = std::abs(offset_minutes);
  out += offset_minutes < 0 ? " -" : " +";
  append_number(out, distance / 60, 2);
  append_number(out, distance % 60, 2);
  return out;
}

std::string format_interval(Seconds interval) {
  struct Unit {
    char letter;
    int64_t seconds;
  };
  constexpr std::array kUnits{Unit{'w', 604800}, Unit{'d', 86400}, Unit{'h', 3600}, Unit{'m', 60},
                              Unit{'s', 1}};
  std::string out;
  int64_t left = interval.count;
  if (left < 0) {
    out += '-';
    left = -left;
  }
  if (left == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (left < unit.seconds) continue;
    append_decimal(out, static_cast<uint64_t>(left / unit.seconds));
    out += unit.letter;
    left %= unit.seconds;
  }
  return out;
}

}  // namespace godwit
