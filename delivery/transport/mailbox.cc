#include "delivery/transport/mailbox.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace godwit::delivery {
namespace {

constexpr size_t kHostBytesMax = 64;  // of the host in a file name

std::string error_text(int error_number) {
  char buffer[128] = "";
  return strerror_r(error_number, buffer, sizeof(buffer));
}

int make_directory(const std::string& path, uint32_t mode) noexcept {
  if (mkdir(path.c_str(), mode) != 0) return errno;
  // The process's umask must not decide.
  const UniqueFd made(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return made.is_open() && fchmod(made.get(), mode) == 0 ? 0 : errno;
}

// Of this thread alone: the C library's function would change every thread.
bool set_thread_groups(const std::vector<uint32_t>& groups) noexcept {
  return syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

}  // namespace

ActAs::ActAs(const std::optional<FileOwner>& owner) noexcept : acts_(owner.has_value()) {
  if (!acts_) return;
  if (!owner->groups.empty()) {
    const int count = getgroups(0, nullptr);
    groups_before_.resize(static_cast<size_t>(std::max(count, 0)));
    has_groups_ = count >= 0 && getgroups(count, groups_before_.data()) >= 0 &&
                  set_thread_groups(owner->groups);
  }
  setfsgid(owner->group);
  setfsuid(owner->user);
}

ActAs::~ActAs() {
  if (!acts_) return;
  setfsuid(geteuid());
  setfsgid(getegid());
  if (has_groups_) set_thread_groups(groups_before_);
}

MailboxFault system_fault(int error_number, std::string what) {
  MailboxFault fault;
  fault.error_number = error_number;
  fault.text = std::move(what);
  if (error_number > 0) fault.text += ": " + error_text(error_number);
  if (error_number == EDQUOT) {
    fault.is_quota = true;
    fault.text = "mailbox is full: " + fault.text;
  }
  // A name that no file system takes will not be taken later.
  if (error_number == ENAMETOOLONG) fault.kind = OutcomeKind::failed;
  return fault;
}

MailboxFault quota_fault(std::string_view path, Seconds idle) {
  MailboxFault fault;
  fault.error_number = kErrorOverQuota;
  fault.is_quota = true;
  fault.idle = idle;
  fault.text =
      "mailbox is full (MTA-imposed quota exceeded while writing to " + std::string(path) + ")";
  return fault;
}

MailboxStep check_use(const MailboxPlan& plan, MailboxUse use, std::string_view what,
                      Seconds idle) {
  if (plan.quota_is_inclusive) {
    use.bytes += plan.message_bytes;
    ++use.files;
  }
  const bool has_bytes = plan.quota_bytes != 0 && !plan.quota_delivers;
  const bool has_files = plan.quota_files != 0 && !plan.quota_files_delivers;
  const bool is_over =
      (has_bytes && use.bytes > plan.quota_bytes) || (has_files && use.files > plan.quota_files);
  if (!is_over) return {};
  return quota_fault(std::string(what) + " " + plan.path, idle);
}

bool MailboxPlan::counts(const std::string& name) const {
  if (counted_folders == nullptr) return name == "new" || name == "cur" || name.starts_with('.');
  const Result<bool> found = counted_folders->search(name);
  return found && *found;
}

bool MailboxPlan::may_create(std::string_view what) const noexcept {
  if (!creation_root) return true;
  return what.starts_with(*creation_root) && what.substr(creation_root->size()).starts_with('/');
}

MailboxStep write_all(int fd, std::string_view text, std::string_view path) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote > 0) {
      text.remove_prefix(static_cast<size_t>(wrote));
    } else if (wrote == 0 || errno != EINTR) {
      const int error_number = wrote == 0 ? ENOSPC : errno;
      return system_fault(error_number, "error while writing to " + std::string(path));
    }
  }
  return {};
}

MailboxStep make_directories(const std::string& path, uint32_t mode) {
  int result = make_directory(path, mode);
  if (result == ENOENT) {
    for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
      make_directory(path.substr(0, end), mode);
    }
    result = make_directory(path, mode);
  }
  if (result == 0 || result == EEXIST) return {};
  return system_fault(result, "failed to create directory " + path);
}

std::string unique_name(std::string_view host) {
  static std::atomic<uint64_t> count{0};
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  char digits[128];
  const int size = std::snprintf(digits, sizeof(digits), "%lld.M%ldP%ldQ%llu.",
                                 static_cast<long long>(now.tv_sec), now.tv_nsec / 1000,
                                 static_cast<long>(getpid()),
                                 static_cast<unsigned long long>(count.fetch_add(1)));
  std::string name(digits, static_cast<size_t>(size));
  for (const char c : host.substr(0, kHostBytesMax)) name += c == '/' || c == ':' ? '_' : c;
  return name;
}

}  // namespace godwit::delivery
