// A directory for the spool of a command that keeps nothing (-bh, --explain).
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace godwit::daemon {

// A directory that goes away with the object.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "godwit-test-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = std::move(name);
  }
  ~ScratchDirectory() {
    std::error_code ignored;  // what cannot be removed is in the temporary directory
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

}  // namespace godwit::daemon
