#include "tests/support/transcript_runner.h"

#include "core/base/ascii.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace godwit::test {

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      out.push_back(text[at]);
      continue;
    }
    const char c = text[++at];
    if (c == 'x' && at + 2 < text.size()) {
      out.push_back(static_cast<char>(hex_value(text[at + 1]) * 16 + hex_value(text[at + 2])));
      at += 2;
    } else {
      out.push_back(c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c);
    }
  }
  return out;
}

bool matches(std::string_view expected, std::string_view actual) {
  while (!expected.empty() || !actual.empty()) {
    const size_t expected_end = std::min(expected.find('\n'), expected.size());
    const size_t actual_end = std::min(actual.find('\n'), actual.size());
    std::string_view want = expected.substr(0, expected_end);
    std::string_view have = actual.substr(0, actual_end);
    if (want.ends_with('*') && !want.starts_with('#') && !want.starts_with('!')) {
      want.remove_suffix(1);
      have = have.substr(0, want.size());
    }
    if (want != have) return false;
    expected.remove_prefix(std::min(expected_end + 1, expected.size()));
    actual.remove_prefix(std::min(actual_end + 1, actual.size()));
  }
  return true;
}

std::vector<std::string> golden_files(std::string_view folder) {
  std::vector<std::string> paths;
  const std::string root = std::string(folder);
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

std::string read_text(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace godwit::test
