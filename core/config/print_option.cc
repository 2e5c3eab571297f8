// Option values as text, in the forms that Exim prints them in.
#include "core/config/option.h"
#include "core/config/values.h"

#include <cstdio>

namespace godwit::config {
namespace {

// 102400 as 100K.
std::string number_text(int64_t number) {
  constexpr std::string_view kUnits = "KMG";
  size_t unit = 0;
  while (number != 0 && number % 1024 == 0 && unit < kUnits.size()) {
    number /= 1024;
    ++unit;
  }
  return std::to_string(number) + (unit == 0 ? "" : std::string(1, kUnits[unit - 1]));
}

struct Printer {
  const OptionInfo& info;

  std::string named(std::string_view value) const {
    return std::string(info.name) + " = " + std::string(value);
  }
  std::string operator()(const bool* value) const {
    return (*value ? "" : "no_") + std::string(info.name);
  }
  std::string operator()(const int64_t* value) const { return named(number_text(*value)); }
  std::string operator()(const Mode* value) const {
    char text[16] = "";
    if (value->bits >= 0)
      std::snprintf(text, sizeof text, "%#o", static_cast<unsigned>(value->bits));
    return named(text);
  }
  std::string operator()(const Fixed* value) const {
    if (value->thousandths < 0) return named("");
    char text[32];
    std::snprintf(text, sizeof text, "%lld.%03lld",
                  static_cast<long long>(value->thousandths / 1000),
                  static_cast<long long>(value->thousandths % 1000));
    return named(text);
  }
  std::string operator()(const Seconds* value) const { return named(format_interval(*value)); }
  std::string operator()(const std::string* value) const { return named(*value); }
  std::string operator()(const ExpandBool* value) const {
    if (value->text.view() == "true" || value->text.view() == "yes") return std::string(info.name);
    if (value->text.empty() || value->text.view() == "false" || value->text.view() == "no")
      return "no_" + std::string(info.name);
    return named(value->text.view());
  }
  std::string operator()(const ConfigText* value) const { return named(value->text.view()); }
  std::string operator()(const PlainList* value) const {
    std::string text;
    for (const std::string& item : *value) text += (text.empty() ? "" : " : ") + item;
    return named(text);
  }
  std::string operator()(const TimeList* value) const {
    std::string text;
    for (const Seconds& item : *value) text += (text.empty() ? "" : ":") + format_interval(item);
    return named(text);
  }
  std::string operator()(const Choice* value) const {
    std::string_view left = info.choices;
    for (uint8_t at = 0; at < value->index; ++at) left.remove_prefix(left.find('|') + 1);
    return named(left.substr(0, left.find('|')));
  }
  // What differs from the defaults.
  std::string operator()(const LogSelectors* value) const {
    std::string text;
    for (const LogSelectorRow& row : log_selector_rows()) {
      if (value->has(row.selector) == row.by_default) continue;
      text += (text.empty() ? "" : " ") + std::string(row.by_default ? "-" : "+") +
              std::string(row.name);
    }
    return named(text);
  }
  std::string operator()(const ExpandTexts* value) const {
    std::string out;
    for (const ExpandText& item : *value)
      out += (out.empty() ? "" : "\n") + named(item.text.view());
    return out.empty() ? named("") : out;
  }
};

}  // namespace

std::string print_option(const OptionInfo& info, const OptionValue& value) {
  return std::visit(Printer{info}, value);
}

}  // namespace godwit::config
