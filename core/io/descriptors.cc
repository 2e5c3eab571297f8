#include "core/io/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace godwit {

Result<void> reserve_descriptors(size_t count) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return error_from_errno(errno, "getrlimit");
  const auto last = static_cast<int>(std::min<rlim_t>(count, limit.rlim_cur)) - 1;
  const int any = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (any < 0) return error_from_errno(errno, "open /dev/null");
  // The lowest free one from `last` on: it takes nothing that is open.
  const int highest = ::fcntl(any, F_DUPFD_CLOEXEC, last);
  const int error = errno;
  ::close(any);
  if (highest < 0) return error_from_errno(error, "reserve descriptors");
  ::close(highest);
  return {};
}

}  // namespace godwit
