#include "core/base/time.h"

#include <array>
#include <cstdio>
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

}  // namespace

std::string format_log_time(WallTime at, bool utc) {
  const std::tm t = broken_down(at, utc);
  std::array<char, 64> text;
  const int n =
      std::snprintf(text.data(), text.size(), "%04d-%02d-%02d %02d:%02d:%02d", t.tm_year + 1900,
                    t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
  return std::string(text.data(), static_cast<size_t>(n));
}

std::string format_rfc5322_time(WallTime at, bool utc) {
  const std::tm t = broken_down(at, utc);
  const long offset_minutes = t.tm_gmtoff / 60;
  const long distance = offset_minutes < 0 ? -offset_minutes : offset_minutes;
  std::array<char, 80> text;
  const int n =
      std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d %c%02ld%02ld",
                    kDays[static_cast<size_t>(t.tm_wday)], t.tm_mday,
                    kMonths[static_cast<size_t>(t.tm_mon)], t.tm_year + 1900, t.tm_hour, t.tm_min,
                    t.tm_sec, offset_minutes < 0 ? '-' : '+', distance / 60, distance % 60);
  return std::string(text.data(), static_cast<size_t>(n));
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
    out += std::to_string(left / unit.seconds);
    out += unit.letter;
    left %= unit.seconds;
  }
  return out;
}

}  // namespace godwit
