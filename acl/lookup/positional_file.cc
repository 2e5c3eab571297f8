#include "acl/lookup/positional_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace godwit::acl {
namespace {

// File systems that do not know RWF_NOWAIT are asked once.
std::atomic<bool> nowait_is_known{true};

ssize_t read_some(int fd, std::span<char> into, uint64_t offset, bool may_wait) noexcept {
  const auto at = static_cast<off_t>(offset);
  if (!may_wait && nowait_is_known.load(std::memory_order_relaxed)) {
    const iovec part{into.data(), into.size()};
    const ssize_t count = ::preadv2(fd, &part, 1, at, RWF_NOWAIT);
    if (count >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)) return count;
    if (errno != EOPNOTSUPP) nowait_is_known.store(false, std::memory_order_relaxed);
  }
  return ::pread(fd, into.data(), into.size(), at);
}

}  // namespace

OpenFile::~OpenFile() {
  ::close(fd_);
}

std::shared_ptr<OpenFile> OpenFile::open(const std::string& path, int& errno_value) {
  errno_value = 0;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    errno_value = errno;
    return nullptr;
  }
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    errno_value = errno;
  } else if (!S_ISREG(status.st_mode)) {
    errno_value = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
  }
  if (errno_value != 0) {
    ::close(fd);
    return nullptr;
  }
  return std::make_shared<OpenFile>(fd, stamp_from(status));
}

ReadStatus OpenFile::read(uint64_t offset, std::span<char> into, bool may_wait) const noexcept {
  if (offset > static_cast<uint64_t>(INT64_MAX) - into.size()) return ReadStatus::ends;
  while (!into.empty()) {
    const ssize_t count = read_some(fd_, into, offset, may_wait);
    if (count == 0) return ReadStatus::ends;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN ? ReadStatus::would_wait : ReadStatus::failed;
    into = into.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return ReadStatus::complete;
}

int stat_file(const std::string& path, FileStamp& stamp) noexcept {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return errno;
  stamp = stamp_from(status);
  return 0;
}

}  // namespace godwit::acl
