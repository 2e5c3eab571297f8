// Command lines as tables: a row an option, with Postfix's letter, a long name, or both. Letters
// without an argument may be joined ("-dc"), an argument may follow its letter at once ("-s20"),
// long names take "--name=value" or "--name value".
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::bench {

// What the scanner must know of an option.
struct OptionName {
  char letter = 0;            // 0 for none
  std::string_view name;      // without "--"; empty for none
  std::string_view argument;  // what the help calls it; empty where the option has none
  std::string_view help;
};

// A row of a program's table: `apply` stores the value, or says why it cannot be.
template <class Options>
struct OptionRow {
  OptionName name;
  Result<void> (*apply)(Options& options, std::string_view value);
};

struct ScannedOption {
  size_t row;
  std::string_view value;
};
struct ScannedLine {
  std::vector<ScannedOption> options;  // in the order of the command line
  std::vector<std::string_view> words;
};

// Errc::invalid_argument for an unknown option or a missing or superfluous argument.
Result<ScannedLine> scan_options(std::span<const OptionName> names,
                                 std::span<const std::string_view> arguments);
// "--name" or "-x": how messages call an option.
std::string shown_name(const OptionName& name);
std::string help_text(std::span<const OptionName> names);

template <class Options>
std::vector<OptionName> names_of(std::span<const OptionRow<Options>> rows) {
  std::vector<OptionName> names;
  for (const OptionRow<Options>& row : rows) names.push_back(row.name);
  return names;
}

// Fills `options` by its table; gives the words that are no options.
template <class Options>
Result<std::vector<std::string_view>> parse_options(std::span<const OptionRow<Options>> rows,
                                                    std::span<const std::string_view> arguments,
                                                    Options& options) {
  Result<ScannedLine> line = scan_options(names_of(rows), arguments);
  if (!line) return line.error();
  for (const ScannedOption& option : line->options) {
    const OptionRow<Options>& row = rows[option.row];
    const Result<void> applied = row.apply(options, option.value);
    if (!applied) {
      return Error(applied.error().code(), shown_name(row.name) + ": " + applied.error().detail());
    }
  }
  return std::move(line->words);
}

// Values. Each says in its error what it wanted.
Result<uint64_t> parse_count(std::string_view text, uint64_t least, uint64_t most);
// Seconds with at most six digits after the point, as microseconds.
Result<int64_t> parse_seconds(std::string_view text);
// A number of bytes, with k, m or g after it for powers of 1024.
Result<uint64_t> parse_size(std::string_view text);

}  // namespace godwit::bench
