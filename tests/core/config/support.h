// Helpers for tests of the configuration: a text as the only file, and golden comparison.
#pragma once

#include "core/config/document.h"
#include "generated/source_dir.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace godwit::config {

inline ConfigDocument read_text(std::string text, Diagnostics& diagnostics,
                                const ReadOptions& options = {}) {
  MemoryFiles files;
  files.put("exim.conf", std::move(text));
  return read_document("exim.conf", files, options, diagnostics);
}

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// For every x.conf of tests/golden/<folder>: `produce(text)` must be x.txt. UPDATE_GOLDEN=1 writes
// it.
template <class Produce>
void compare_golden(const std::string& folder, const Produce& produce) {
  const std::filesystem::path root =
      std::filesystem::path(GODWIT_SOURCE_DIR) / "tests" / "golden" / folder;
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.path().extension() != ".conf") continue;
    SCOPED_TRACE(entry.path().filename().string());
    ++count;
    const std::string got = produce(file_text(entry.path()));
    std::filesystem::path wanted = entry.path();
    wanted.replace_extension(".txt");
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      std::ofstream(wanted, std::ios::binary) << got;
      continue;
    }
    EXPECT_EQ(got, file_text(wanted));
  }
  EXPECT_GT(count, 0u);
}

}  // namespace godwit::config
