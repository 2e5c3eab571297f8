#include "core/io/machine.h"

#include "core/io/files.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>

namespace godwit {

int64_t SystemMachine::load_thousandths() {
  const Instant now = clock_.now();
  if (now - load_at_ < kKept) return load_;
  load_at_ = now;
  double average = 0;
  load_ = ::getloadavg(&average, 1) == 1 ? std::llround(average * 1000) : -1;
  return load_;
}

Result<DiskRoom> SystemMachine::room(const std::string& path) {
  const Instant now = clock_.now();
  const auto known = rooms_.find(path);
  if (known != rooms_.end() && now - known->second.at < kKept) return known->second.room;
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) return error_from_errno(errno, "room on " + path);
  DiskRoom out;
  out.kilobytes = static_cast<int64_t>(disk.f_bavail * (disk.f_frsize / 512) / 2);
  out.inodes = disk.f_files == 0 ? -1 : static_cast<int64_t>(disk.f_favail);
  rooms_.insert_or_assign(path, Known{now, out});
  return out;
}

}  // namespace godwit
