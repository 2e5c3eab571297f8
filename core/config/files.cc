#include "core/config/files.h"

#include "core/config/limits.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace godwit::config {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<std::string> DiskFiles::read(const std::string& path) {
  // O_NONBLOCK: a named pipe in place of the file must not hang the start.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return error_from_errno(errno, "open " + path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return error_from_errno(errno, "stat " + path);
  if (!S_ISREG(status.st_mode)) return Error(Errc::invalid_argument, path + " is not a file");
  std::string text;
  char block[65536];
  for (;;) {
    const ssize_t count = ::read(file.get(), block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return error_from_errno(errno, "read " + path);
    if (count == 0) return text;
    text.append(block, static_cast<size_t>(count));
    if (text.size() > kFileBytesMax) return Error(Errc::too_long, path);
  }
}

Result<std::string> MemoryFiles::read(const std::string& path) {
  const auto found = files_.find(path);
  if (found == files_.end()) return Error(Errc::not_found, path);
  return found->second;
}

}  // namespace godwit::config
