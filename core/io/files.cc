#include "core/io/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace godwit {
namespace {

Error failed(const char* operation, const std::string& path = {}) {
  const int code = errno;
  std::string what = operation;
  if (!path.empty()) what += " " + path;
  return error_from_errno(code, what);
}

Result<void> outcome(int status, const char* operation, const std::string& path = {}) {
  if (status < 0) return failed(operation, path);
  return {};
}

int open_flags(FileOpen how) {
  switch (how) {
    case FileOpen::read:
      return O_RDONLY;
    case FileOpen::read_write:
      return O_RDWR;
    case FileOpen::create:
      return O_RDWR | O_CREAT;
    case FileOpen::create_new:
      return O_RDWR | O_CREAT | O_EXCL;
    case FileOpen::direct:
      return O_WRONLY | O_DIRECT;
  }
  GODWIT_UNREACHABLE("FileOpen");
}

FileStat from_system(const struct stat& status) {
  FileStat out;
  out.bytes = static_cast<uint64_t>(status.st_size);
  out.inode = status.st_ino;
  out.is_directory = S_ISDIR(status.st_mode);
  return out;
}

}  // namespace

Result<File> File::open(Files& files, const std::string& path, FileOpen how) {
  Result<FileId> id = files.open(path, how);
  if (!id) return id.error();
  return File(files, *id);
}

Result<void> write_all(Files& files, FileId file, std::span<iovec> parts, uint64_t offset) {
  while (!parts.empty()) {
    const Result<size_t> written =
        files.write_at(file, parts.first(std::min<size_t>(parts.size(), IOV_MAX)), offset);
    if (!written) return written.error();
    if (*written == 0) return Error(Errc::disk_error, "a write took nothing");
    offset += *written;
    size_t left = *written;
    while (!parts.empty() && left >= parts.front().iov_len) {
      left -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (left == 0) continue;
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + left;
    parts.front().iov_len -= left;
  }
  return {};
}

Result<void> write_all(Files& files, FileId file, std::string_view bytes, uint64_t offset) {
  if (bytes.empty()) return {};
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  return write_all(files, file, std::span<iovec>(&part, 1), offset);
}

Result<void> read_exactly(Files& files, FileId file, std::span<char> into, uint64_t offset) {
  while (!into.empty()) {
    const Result<size_t> got = files.read_at(file, into, offset);
    if (!got) return got.error();
    if (*got == 0) return Error(Errc::malformed, "the file ends too early");
    into = into.subspan(*got);
    offset += *got;
  }
  return {};
}

Result<FileId> SystemFiles::open(const std::string& path, FileOpen how) {
  const int fd = ::open(path.c_str(), open_flags(how) | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd >= 0) return fd;
  if (how == FileOpen::direct && errno == EINVAL) return Error(Errc::unsupported, "direct writes");
  return failed("open", path);
}

void SystemFiles::close(FileId file) noexcept {
  ::close(file);
}

Result<size_t> SystemFiles::write_at(FileId file, std::span<const iovec> parts, uint64_t offset) {
  for (;;) {
    const ssize_t written =
        ::pwritev(file, parts.data(), static_cast<int>(parts.size()), static_cast<off_t>(offset));
    if (written >= 0) return static_cast<size_t>(written);
    if (errno != EINTR) return failed("write");
  }
}

Result<void> SystemFiles::write_synced(FileId file, std::string_view bytes, uint64_t offset) {
  const size_t all = bytes.size();
  while (!bytes.empty()) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    const ssize_t written = ::pwritev2(file, &part, 1, static_cast<off_t>(offset), RWF_DSYNC);
    if (written < 0 && errno == EINTR) continue;
    const bool is_refused = written < 0 && (errno == EINVAL || errno == EOPNOTSUPP);
    if (is_refused && bytes.size() == all) return Error(Errc::unsupported, "direct writes");
    if (written < 0) return failed("write");
    if (written == 0) return Error(Errc::disk_error, "a write took nothing");
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return {};
}

Result<size_t> SystemFiles::read_at(FileId file, std::span<char> into, uint64_t offset) {
  for (;;) {
    const ssize_t got = ::pread(file, into.data(), into.size(), static_cast<off_t>(offset));
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) return failed("read");
  }
}

Result<void> SystemFiles::sync_data(FileId file) {
  return outcome(::fdatasync(file), "fdatasync");
}

Result<void> SystemFiles::allocate(FileId file, uint64_t bytes) {
  const int code = ::posix_fallocate(file, 0, static_cast<off_t>(bytes));
  if (code != 0) return error_from_errno(code, "fallocate");
  return {};
}

Result<void> SystemFiles::lock(FileId file) {
  return outcome(::flock(file, LOCK_EX | LOCK_NB), "flock");
}

Result<FileStat> SystemFiles::stat(FileId file) {
  struct stat status;
  if (::fstat(file, &status) < 0) return failed("fstat");
  return from_system(status);
}

Result<FileStat> SystemFiles::stat(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) < 0) return failed("stat", path);
  return from_system(status);
}

Result<void> SystemFiles::rename(const std::string& from, const std::string& to) {
  return outcome(::rename(from.c_str(), to.c_str()), "rename", from);
}

Result<void> SystemFiles::remove(const std::string& path) {
  return outcome(::unlink(path.c_str()), "unlink", path);
}

Result<void> SystemFiles::make_directory(const std::string& path) {
  return outcome(::mkdir(path.c_str(), 0750), "mkdir", path);
}

Result<void> SystemFiles::remove_directory(const std::string& path) {
  return outcome(::rmdir(path.c_str()), "rmdir", path);
}

Result<std::vector<std::string>> SystemFiles::list(const std::string& path) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return failed("opendir", path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
    errno = 0;
  }
  const int code = errno;
  ::closedir(directory);
  if (code != 0) return error_from_errno(code, "readdir " + path);
  return names;
}

Result<void> SystemFiles::sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("open", path);
  Result<void> synced = outcome(::fsync(fd), "fsync", path);
  ::close(fd);
  return synced;
}

Result<DiskSpace> SystemFiles::space(const std::string& path) {
  struct statvfs status;
  if (::statvfs(path.c_str(), &status) < 0) return failed("statvfs", path);
  DiskSpace out;
  out.free_bytes = uint64_t{status.f_bavail} * status.f_frsize;
  out.total_bytes = uint64_t{status.f_blocks} * status.f_frsize;
  return out;
}

}  // namespace godwit
