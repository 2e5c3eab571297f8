// An mbox file: one file that many write to and readers change, so it is checked, locked, and cut
// back to what it was where a delivery fails.
#include "delivery/transport/lock_file.h"
#include "delivery/transport/mailbox.h"
#include "delivery/transport/mbx.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace godwit::delivery {
namespace {

constexpr uint32_t kModeBits = 07777;
constexpr int kFifoPatienceMs = 60'000;

std::string octal(uint32_t mode) {
  char text[16];
  std::snprintf(text, sizeof(text), "%04o", mode & kModeBits);
  return text;
}

class Mbox final : public Mailbox {
 public:
  explicit Mbox(MailboxPlan plan) : plan_(std::move(plan)) {
    const size_t slash = plan_.path.rfind('/');
    directory_path_ = slash == 0 ? "/" : plan_.path.substr(0, slash);
    name_ = plan_.path.substr(slash + 1);
  }
  ~Mbox() override { abandon(); }

  MailboxStep open() override {
    MailboxStep fault = try_open();
    if (fault) release();
    return fault;
  }
  MailboxStep check_room() override;
  MailboxStep append(std::string_view text) override;
  MailboxStep commit(std::string_view tag) override;
  void abandon() noexcept override;

 private:
  MailboxStep try_open();
  MailboxStep open_directory();
  MailboxStep open_file();
  MailboxStep look_at_name();
  MailboxStep append_to_fifo(std::string_view text);
  MailboxStep check_file();
  MailboxStep check_mode();
  MailboxStep lock_file();
  MailboxStep check_unchanged();
  MailboxStep check_quota();
  MailboxFault fault(int error_number, std::string_view what) const {
    return system_fault(error_number, "mailbox " + plan_.path + " " + std::string(what));
  }
  MailboxFault busy(int error_number, std::string_view why) const {
    MailboxFault out = system_fault(
        error_number, "failed to lock mailbox " + plan_.path + " (" + std::string(why) + ")");
    out.is_busy = true;
    return out;
  }
  void release() noexcept {
    mbx_lock_.release(file_.get(), plan_);
    file_.reset();  // with it its locks
    lock_.release();
  }

  MailboxPlan plan_;
  std::string directory_path_;
  std::string name_;
  UniqueFd directory_;
  LockFile lock_;
  MbxLock mbx_lock_;
  MbxDraft draft_;  // of MBX
  UniqueFd file_;
  bool is_fifo_ = false;
  bool is_new_ = false;  // by us, in this or an earlier try
  struct stat before_ {};
};

MailboxStep Mbox::try_open() {
  using Step = MailboxStep (Mbox::*)();
  for (const Step step : {&Mbox::open_directory, &Mbox::open_file, &Mbox::check_file,
                          &Mbox::lock_file, &Mbox::check_unchanged, &Mbox::check_quota}) {
    MailboxStep fault = (this->*step)();
    if (fault) return fault;
  }
  return {};
}

// All names are used relative to the directory, so that nobody can exchange it on the way.
MailboxStep Mbox::open_directory() {
  if (name_.empty()) return fault(EISDIR, "is no file");
  if (!directory_.is_open() && plan_.create_directory && plan_.may_create(plan_.path)) {
    MailboxStep fault = make_directories(directory_path_, plan_.directory_mode);
    if (fault) return fault;
  }
  if (!directory_.is_open()) {
    directory_ = UniqueFd(::open(directory_path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  if (!directory_.is_open()) {
    return system_fault(errno, "failed to open directory " + directory_path_);
  }
  if (!plan_.use_lockfile) return {};
  return lock_.take(directory_.get(), name_ + ".lock", plan_);
}

MailboxStep Mbox::open_file() {
  if (plan_.allow_fifo || plan_.allow_symlink) {
    MailboxStep fault = look_at_name();
    if (fault || is_fifo_) return fault;
  }
  int flags = O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC;
  if (!plan_.allow_symlink) flags |= O_NOFOLLOW;
  file_ = UniqueFd(openat(directory_.get(), name_.c_str(), flags));
  if (!file_.is_open() && errno == ENOENT) {
    if (plan_.file_must_exist) return fault(ENOENT, "does not exist, but file_must_exist is set");
    if (!plan_.may_create(plan_.path))
      return fault(kErrorBadCreate, "may not be created: create_file forbids it");
    const int new_flags = flags | O_CREAT | (plan_.allow_symlink ? 0 : O_EXCL);
    file_ = UniqueFd(openat(directory_.get(), name_.c_str(), new_flags, 0600));
    is_new_ = file_.is_open();
    if (is_new_ && fchmod(file_.get(), plan_.mode) != 0)
      return fault(errno, "cannot be given its mode");
  }
  if (file_.is_open()) return {};
  if (errno == EEXIST) return busy(kErrorInodeChanged, "it appeared while it was being created");
  if (errno == ELOOP)
    return fault(kErrorNotRegular, "is not a regular file (or is a symbolic link)");
  return fault(errno, "cannot be opened");
}

// A link must belong to whoever may be linked to; a named pipe needs a reader.
MailboxStep Mbox::look_at_name() {
  struct stat link {};
  if (fstatat(directory_.get(), name_.c_str(), &link, AT_SYMLINK_NOFOLLOW) != 0) return {};
  const uint32_t wanted = plan_.owner ? plan_.owner->user : geteuid();
  if (S_ISLNK(link.st_mode) && plan_.allow_symlink && link.st_uid != wanted) {
    return fault(kErrorBadOwner, "is a symbolic link of uid " + std::to_string(link.st_uid) +
                                     ", which is not " + std::to_string(wanted));
  }
  if (!S_ISFIFO(link.st_mode) || !plan_.allow_fifo) return {};
  is_fifo_ = true;
  file_ = UniqueFd(
      openat(directory_.get(), name_.c_str(), O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (file_.is_open()) return {};
  return fault(errno,
               "is a named pipe that cannot be opened (could mean no process is reading it)");
}

MailboxStep Mbox::check_file() {
  if (is_fifo_) return {};
  if (fstat(file_.get(), &before_) != 0) return fault(errno, "cannot be examined");
  if (!S_ISREG(before_.st_mode)) return fault(kErrorNotRegular, "is not a regular file");
  if (before_.st_nlink != 1) return fault(kErrorNotRegular, "has too many links");
  const uint32_t wanted = plan_.owner ? plan_.owner->user : geteuid();
  if (plan_.check_owner && before_.st_uid != wanted) {
    return fault(kErrorBadOwner, "has wrong uid (" + std::to_string(before_.st_uid) +
                                     " != " + std::to_string(wanted) + ")");
  }
  const uint32_t wanted_group = plan_.owner ? plan_.owner->group : getegid();
  if (plan_.check_group && before_.st_gid != wanted_group) {
    return fault(kErrorBadOwner, "has wrong gid (" + std::to_string(before_.st_gid) +
                                     " != " + std::to_string(wanted_group) + ")");
  }
  return check_mode();
}

// A file that others may read or write more than `mode` says is put right; one that is narrower was
// made so on purpose, and is left alone.
MailboxStep Mbox::check_mode() {
  const uint32_t mode = before_.st_mode & kModeBits;
  if (mode == plan_.mode) return {};
  const bool is_narrower = (mode & ~plan_.mode) == 0;
  if (is_narrower && plan_.mode_fail_narrower) {
    return fault(kErrorBadMode,
                 "has the wrong mode " + octal(mode) + " (" + octal(plan_.mode) + " expected)");
  }
  if (is_narrower || fchmod(file_.get(), plan_.mode) == 0) return {};
  return fault(errno, "cannot be given its mode");
}

// MBX readers keep the file locked while they have it open, as sharers.
MailboxStep Mbox::lock_file() {
  if (is_fifo_) return {};
  MailboxStep fault = lock_open_file(file_.get(), plan_.use_mbx_lock ? F_RDLCK : F_WRLCK, plan_);
  if (!fault && plan_.use_mbx_lock) fault = mbx_lock_.take(file_.get(), plan_);
  return fault;
}

// A mail reader may have put another file there before we had the lock.
MailboxStep Mbox::check_unchanged() {
  if (is_fifo_) return {};
  struct stat now {};
  const int flags = plan_.allow_symlink ? 0 : AT_SYMLINK_NOFOLLOW;
  if (fstatat(directory_.get(), name_.c_str(), &now, flags) != 0 || now.st_ino != before_.st_ino ||
      now.st_dev != before_.st_dev || now.st_nlink != 1) {
    return busy(kErrorInodeChanged, "it was replaced");
  }
  before_ = now;
  return {};
}

MailboxStep Mbox::check_quota() {
  use_before_.bytes = plan_.known_bytes.value_or(static_cast<uint64_t>(before_.st_size));
  const int64_t idle = time(nullptr) - before_.st_atime;
  return check_use(plan_, use_before_, "file", Seconds{std::max<int64_t>(0, idle)});
}

MailboxStep Mbox::check_room() {
  const int flags = plan_.allow_symlink ? 0 : AT_SYMLINK_NOFOLLOW;
  const bool is_there = fstatat(AT_FDCWD, plan_.path.c_str(), &before_, flags) == 0;
  if (!is_there && errno != ENOENT) return fault(errno, "cannot be examined");
  if (is_there && !S_ISREG(before_.st_mode)) return {};
  return check_quota();
}

MailboxStep Mbox::append(std::string_view text) {
  if (is_fifo_) return append_to_fifo(text);
  bytes_written_ += text.size();
  return plan_.is_mbx ? draft_.append(text) : write_all(file_.get(), text, plan_.path);
}

// The reader takes its time, but not for ever. What it has read cannot be taken back.
MailboxStep Mbox::append_to_fifo(std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(file_.get(), text.data(), text.size());
    if (wrote > 0) {
      text.remove_prefix(static_cast<size_t>(wrote));
      continue;
    }
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno != EAGAIN) return fault(errno, "cannot be written to");
    pollfd room{file_.get(), POLLOUT, 0};
    if (::poll(&room, 1, kFifoPatienceMs) == 0) return fault(ETIMEDOUT, "is not being read");
  }
  return {};
}

MailboxStep Mbox::commit(std::string_view) {
  if (is_fifo_) {
    release();
    return {};
  }
  if (plan_.is_mbx) {
    MailboxStep fault = draft_.move_to(file_.get(), before_.st_size == 0, plan_);
    if (fault) return fault;
  }
  if (fsync(file_.get()) != 0) return fault(errno, "could not be written to disk");
  if (is_new_ && fsync(directory_.get()) != 0) {
    return system_fault(errno, "error while syncing directory " + directory_path_);
  }
  // Readers take "modified after it was read" for new mail.
  timespec times[2] = {before_.st_atim, {0, UTIME_NOW}};
  if (!is_new_) futimens(file_.get(), times);
  release();
  return {};
}

void Mbox::abandon() noexcept {
  if (file_.is_open() && bytes_written_ > 0) {
    // Where even this fails, the file ends in part of a message; there is nobody to tell.
    const int cut = ftruncate(file_.get(), before_.st_size);
    static_cast<void>(cut);
  }
  release();
}

}  // namespace

std::unique_ptr<Mailbox> make_mbox(MailboxPlan plan) {
  return std::make_unique<Mbox>(std::move(plan));
}

}  // namespace godwit::delivery
