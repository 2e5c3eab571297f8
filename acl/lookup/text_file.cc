#include "acl/lookup/text_file.h"

#include "core/io/clock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace godwit::acl {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

int64_t nanos(const timespec& at) {
  return int64_t{at.tv_sec} * kNanosPerSecond + at.tv_nsec;
}

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

// To the end of the file, or until it holds more than it may.
bool read_to_end(int fd, std::string& bytes) {
  size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(used + std::max(used / 2, kSmallFileBytes));
    const ssize_t count = ::read(fd, bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) break;
    used += static_cast<size_t>(count);
    if (used > kTextFileBytesMax) {
      errno = EFBIG;
      return false;
    }
  }
  bytes.resize(used);
  return true;
}

}  // namespace

bool FileStamp::is_settled(WallTime now) const noexcept {
  constexpr int64_t kNanosPerMilli = 1'000'000;
  const int64_t newest = std::max(modified_ns, changed_ns);
  return now.micros * 1000 - newest > kSettledAge.count * kNanosPerMilli;
}

FileStamp stamp_from(const struct stat& status) noexcept {
  return {status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size),
          nanos(status.st_mtim), nanos(status.st_ctim)};
}

Error open_failure(const std::string& path, std::string_view purpose, int errno_value) {
  return deferred("failed to open " + path + " for " + std::string(purpose) + ": " +
                  std::strerror(errno_value));
}

Result<FileStamp> stamp_of(const std::string& path, std::string_view purpose) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return open_failure(path, purpose, errno);
  return stamp_from(status);
}

Result<FileContent> read_whole_file(const std::string& path, std::string_view purpose) {
  // A named pipe would block in open().
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return open_failure(path, purpose, errno);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return open_failure(path, purpose, errno);
  if (S_ISDIR(status.st_mode)) return open_failure(path, purpose, EISDIR);
  if (!S_ISREG(status.st_mode)) return open_failure(path, purpose, EINVAL);
  FileContent content;
  content.stamp = stamp_from(status);
  content.is_settled = content.stamp.is_settled(SystemClock().wall());
  if (content.stamp.bytes > kTextFileBytesMax) return open_failure(path, purpose, EFBIG);
  // One byte more shows the end without another round.
  content.bytes.resize(content.stamp.bytes + 1);
  if (!read_to_end(file.get(), content.bytes)) return open_failure(path, purpose, errno);
  return content;
}

}  // namespace godwit::acl
