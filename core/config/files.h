// The reader's view of the file system: two questions. Tests and the fuzzer answer from memory.
#pragma once

#include "core/base/result.h"

#include <map>
#include <string>
#include <string_view>

namespace godwit::config {

class Files {
 public:
  virtual ~Files() = default;
  // The whole file. Errors: not_found, permission_denied, too_long, other I/O.
  virtual Result<std::string> read(const std::string& path) = 0;
};

// Regular files of this machine. Blocks: used at start and reload, never on the loop.
class DiskFiles : public Files {
 public:
  Result<std::string> read(const std::string& path) override;
};

class MemoryFiles : public Files {
 public:
  void put(std::string path, std::string text) { files_[std::move(path)] = std::move(text); }
  Result<std::string> read(const std::string& path) override;

 private:
  std::map<std::string, std::string> files_;
};

}  // namespace godwit::config
