#include "bench/common/options.h"

#include "core/base/ascii.h"

#include <algorithm>

namespace godwit::bench {
namespace {

constexpr size_t kHelpColumn = 30;
constexpr int64_t kSecondsMax = 1'000'000;

Error bad(std::string text) {
  return Error(Errc::invalid_argument, std::move(text));
}

class Scanner {
 public:
  Scanner(std::span<const OptionName> names, std::span<const std::string_view> arguments)
      : names_(names), arguments_(arguments) {}

  Result<ScannedLine> scan() {
    bool options_over = false;
    while (at_ < arguments_.size()) {
      const std::string_view word = arguments_[at_++];
      if (options_over || word.size() < 2 || word[0] != '-') {
        line_.words.push_back(word);
      } else if (word == "--") {
        options_over = true;
      } else {
        const Result<void> scanned = word[1] == '-' ? long_option(word) : letters(word);
        if (!scanned) return scanned.error();
      }
    }
    return std::move(line_);
  }

 private:
  Result<void> long_option(std::string_view word) {
    const std::string_view rest = word.substr(2);
    const size_t equals = rest.find('=');
    const std::string_view name = rest.substr(0, equals);
    const auto row = std::ranges::find(names_, name, &OptionName::name);
    if (row == names_.end()) return bad("unknown option --" + std::string(name));
    std::string_view value;
    if (equals != std::string_view::npos) {
      if (row->argument.empty()) return bad("--" + std::string(name) + " takes no argument");
      value = rest.substr(equals + 1);
    } else if (!row->argument.empty()) {
      if (at_ == arguments_.size()) return missing(*row);
      value = arguments_[at_++];
    }
    add(row, value);
    return {};
  }

  Result<void> letters(std::string_view word) {
    for (size_t i = 1; i < word.size(); ++i) {
      const auto row = std::ranges::find(names_, word[i], &OptionName::letter);
      if (row == names_.end()) return bad("unknown option -" + std::string(1, word[i]));
      if (row->argument.empty()) {
        add(row, {});
        continue;
      }
      std::string_view value = word.substr(i + 1);
      if (value.empty()) {
        if (at_ == arguments_.size()) return missing(*row);
        value = arguments_[at_++];
      }
      add(row, value);
      break;
    }
    return {};
  }

  static Error missing(const OptionName& row) {
    return bad(shown_name(row) + " needs an argument: " + std::string(row.argument));
  }
  void add(std::span<const OptionName>::iterator row, std::string_view value) {
    line_.options.push_back({static_cast<size_t>(row - names_.begin()), value});
  }

  std::span<const OptionName> names_;
  std::span<const std::string_view> arguments_;
  size_t at_ = 0;
  ScannedLine line_;
};

}  // namespace

Result<ScannedLine> scan_options(std::span<const OptionName> names,
                                 std::span<const std::string_view> arguments) {
  return Scanner(names, arguments).scan();
}

std::string shown_name(const OptionName& name) {
  if (!name.name.empty()) return "--" + std::string(name.name);
  return std::string("-") + name.letter;
}

std::string help_text(std::span<const OptionName> names) {
  std::string text;
  for (const OptionName& row : names) {
    std::string left = "  ";
    left += row.letter != 0 ? std::string("-") + row.letter : "  ";
    if (!row.name.empty()) left += (row.letter != 0 ? ", --" : "  --") + std::string(row.name);
    if (!row.argument.empty()) left += " " + std::string(row.argument);
    if (left.size() + 2 > kHelpColumn) {
      left += "\n" + std::string(kHelpColumn, ' ');
    } else {
      left.resize(kHelpColumn, ' ');
    }
    text += left + std::string(row.help) + "\n";
  }
  return text;
}

Result<uint64_t> parse_count(std::string_view text, uint64_t least, uint64_t most) {
  const std::optional<uint64_t> value = parse_decimal(text);
  if (value && *value >= least && *value <= most) return *value;
  return bad("\"" + std::string(text) + "\" is not a number from " + std::to_string(least) +
             " to " + std::to_string(most));
}

Result<int64_t> parse_seconds(std::string_view text) {
  const size_t point = text.find('.');
  const std::optional<uint64_t> whole = parse_decimal(text.substr(0, point));
  std::string fraction(point == std::string_view::npos ? "0" : text.substr(point + 1));
  const bool fits = !fraction.empty() && fraction.size() <= 6;
  if (fits) fraction.resize(6, '0');
  const std::optional<uint64_t> micros = fits ? parse_decimal(fraction) : std::nullopt;
  if (!whole || !micros || static_cast<int64_t>(*whole) > kSecondsMax) {
    return bad("\"" + std::string(text) + "\" is not a number of seconds up to " +
               std::to_string(kSecondsMax));
  }
  return static_cast<int64_t>(*whole * 1'000'000 + *micros);
}

Result<uint64_t> parse_size(std::string_view text) {
  const std::string_view whole = text;
  uint64_t unit = 1;
  if (!text.empty()) {
    const char last = to_lower(text.back());
    unit = last == 'k' ? 1024 : last == 'm' ? 1024 * 1024 : last == 'g' ? 1024 * 1024 * 1024 : 1;
    if (unit > 1) text.remove_suffix(1);
  }
  const std::optional<uint64_t> value = parse_decimal(text);
  if (!value || *value > UINT64_MAX / unit) {
    return bad("\"" + std::string(whole) + "\" is not a number of bytes");
  }
  return *value * unit;
}

}  // namespace godwit::bench
