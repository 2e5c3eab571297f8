// The small configuration files of the system: lines of words, '#' and ';' begin a comment.
#pragma once

#include "core/base/ascii.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::dns {

inline constexpr size_t kSystemFileBytesMax = 4u << 20;

// Empty where the file cannot be read; cut at kSystemFileBytesMax. Blocks: for start-up only.
std::string read_system_file(const std::string& path);

// Calls `take(words)` for each line that has any.
template <class Take>
void for_each_line(std::string_view text, Take take) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find_first_of("#;"));
    words.clear();
    while (!(line = trim(line)).empty()) {
      const size_t length = std::min(line.find_first_of(" \t"), line.size());
      words.push_back(line.substr(0, length));
      line.remove_prefix(length);
    }
    if (!words.empty()) take(words);
  }
}

}  // namespace godwit::dns
