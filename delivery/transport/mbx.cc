#include "delivery/transport/mbx.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace godwit::delivery {
namespace {

constexpr size_t kPageBytes = 64 * 1024;
constexpr int kKeywordsMax = 30;  // a reader's flags, a line each

MailboxFault lock_fault(int error_number, std::string_view why, const MailboxPlan& plan) {
  return system_fault(error_number,
                      "failed to lock mailbox " + plan.path + " (" + std::string(why) + ")");
}

MailboxFault busy_lock(std::string_view why, const MailboxPlan& plan) {
  MailboxFault fault = lock_fault(kErrorLockFailed, why, plan);
  fault.is_busy = true;
  return fault;
}

}  // namespace

std::string mbx_file_head(WallTime now) {
  std::array<char, 32> text;
  const int size = std::snprintf(text.data(), text.size(), "*mbx*\r\n%08lx00000000\r\n",
                                 static_cast<unsigned long>(now.seconds()));
  std::string head(text.data(), static_cast<size_t>(size));
  for (int i = 0; i < kKeywordsMax; ++i) head += "\r\n";
  head.resize(kMbxHeadBytes, '\0');
  return head;
}

std::string mbx_message_line(WallTime now, bool utc, uint64_t bytes) {
  const time_t seconds = now.seconds();
  tm parts{};
  if (utc) {
    gmtime_r(&seconds, &parts);
  } else {
    localtime_r(&seconds, &parts);
  }
  std::array<char, 48> date;
  const size_t size = strftime(date.data(), date.size(), "%d-%b-%Y %H:%M:%S %z", &parts);
  return std::string(date.data(), size) + "," + std::to_string(bytes) +
         ";000000000000-00000000\r\n";
}

MailboxStep lock_open_file(int file, short type, const MailboxPlan& plan) {
  struct flock whole {};
  whole.l_type = type;
  whole.l_whence = SEEK_SET;
  if (plan.use_fcntl_lock && fcntl(file, F_OFD_SETLK, &whole) != 0) {
    if (errno == EAGAIN || errno == EACCES) return busy_lock("fcntl", plan);
    return lock_fault(errno, "fcntl", plan);
  }
  const int how = type == F_RDLCK ? LOCK_SH : LOCK_EX;
  if (plan.use_flock_lock && flock(file, how | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return busy_lock("flock", plan);
    return lock_fault(errno, "flock", plan);
  }
  return {};
}

MailboxStep MbxDraft::append(std::string_view text) {
  if (!draft_.is_open()) {
    std::string name = "/tmp/.godwit-mbx-XXXXXX";
    draft_ = UniqueFd(mkostemp(name.data(), O_CLOEXEC));
    if (!draft_.is_open()) return system_fault(errno, "unable to open a temporary file");
    unlink(name.c_str());
  }
  bytes_ += text.size();
  return write_all(draft_.get(), text, "a temporary file");
}

MailboxStep MbxDraft::move_to(int file, bool is_first, const MailboxPlan& plan) {
  std::string page = is_first ? mbx_file_head(plan.now) : std::string();
  page += mbx_message_line(plan.now, plan.utc, bytes_);
  MailboxStep fault = write_all(file, page, plan.path);
  for (uint64_t at = 0; !fault && at < bytes_;) {
    page.resize(kPageBytes);
    const ssize_t got = pread(draft_.get(), page.data(), page.size(), static_cast<off_t>(at));
    if (got <= 0) return system_fault(got < 0 ? errno : EIO, "error while reading back a message");
    at += static_cast<uint64_t>(got);
    fault = write_all(file, std::string_view(page).substr(0, static_cast<size_t>(got)), plan.path);
  }
  return fault;
}

// Anybody may make files in /tmp: what is there must be a plain file of one name, and be the one
// that was opened.
MailboxStep MbxLock::take(int file, const MailboxPlan& plan) {
  struct stat mailbox {};
  if (fstat(file, &mailbox) != 0) return lock_fault(errno, "MBX lock", plan);
  std::array<char, 64> name;
  const int size = std::snprintf(name.data(), name.size(), "/tmp/.%lx.%lx",
                                 static_cast<unsigned long>(mailbox.st_dev),
                                 static_cast<unsigned long>(mailbox.st_ino));
  path_.assign(name.data(), static_cast<size_t>(size));
  lock_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                          plan.lockfile_mode));
  if (!lock_.is_open()) return lock_fault(errno, "MBX lock file " + path_, plan);
  struct stat opened {};
  struct stat named {};
  const bool is_known = fstat(lock_.get(), &opened) == 0 && lstat(path_.c_str(), &named) == 0;
  if (!is_known || opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
    return busy_lock("MBX lock file " + path_ + " was replaced", plan);
  if (!S_ISREG(opened.st_mode) || opened.st_nlink != 1)
    return lock_fault(0, "MBX lock file " + path_ + " is no plain file", plan);
  return lock_open_file(lock_.get(), F_WRLCK, plan);
}

void MbxLock::release(int file, const MailboxPlan& plan) noexcept {
  if (lock_.is_open() && file >= 0 && !lock_open_file(file, F_WRLCK, plan)) unlink(path_.c_str());
  lock_.reset();
}

}  // namespace godwit::delivery
