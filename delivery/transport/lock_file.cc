#include "delivery/transport/lock_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <cerrno>

namespace godwit::delivery {

MailboxStep LockFile::take(int directory, std::string name, const MailboxPlan& plan) {
  const std::string post = name + "." + unique_name(plan.host);
  const UniqueFd made(
      openat(directory, post.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, plan.lockfile_mode));
  if (!made.is_open()) {
    return system_fault(errno, "failed to lock mailbox " + plan.path + " (lock file)");
  }
  // Over NFS an answer may be lost: the link count is what counts, not the result.
  const int linked = linkat(directory, post.c_str(), directory, name.c_str(), 0);
  const int link_error = linked == 0 ? 0 : errno;
  struct stat status {};
  const bool is_ours = fstat(made.get(), &status) == 0 && status.st_nlink == 2;
  unlinkat(directory, post.c_str(), 0);
  if (is_ours) {
    directory_ = directory;
    name_ = std::move(name);
    return {};
  }
  if (link_error != EEXIST) {
    return system_fault(link_error == 0 ? EIO : link_error,
                        "failed to lock mailbox " + plan.path + " (lock file)");
  }
  struct stat other {};
  const bool is_stale = plan.lockfile_timeout.count > 0 &&
                        fstatat(directory, name.c_str(), &other, AT_SYMLINK_NOFOLLOW) == 0 &&
                        time(nullptr) - other.st_ctime > plan.lockfile_timeout.count;
  if (is_stale) unlinkat(directory, name.c_str(), 0);
  MailboxFault fault =
      system_fault(kErrorLockFailed, "failed to lock mailbox " + plan.path + " (lock file)");
  fault.is_busy = true;
  return fault;
}

void LockFile::release() noexcept {
  if (directory_ >= 0) unlinkat(directory_, name_.c_str(), 0);
  directory_ = -1;
}

}  // namespace godwit::delivery
