// A maildir: each message is a file, written in tmp/, synced, and renamed into new/. No locks.
#include "delivery/transport/mailbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace godwit::delivery {
namespace {

struct MaildirUse {
  uint64_t bytes = 0;
  uint64_t files = 0;
};

struct DirectoryCloser {
  void operator()(DIR* directory) const noexcept { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, DirectoryCloser>;

Directory open_listing(int at, const char* name) noexcept {
  const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return nullptr;
  DIR* directory = fdopendir(fd);
  if (directory == nullptr) ::close(fd);
  return Directory(directory);
}

void add_files(int at, const char* name, MaildirUse& use) {
  const Directory directory = open_listing(at, name);
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] == '.') continue;
    struct stat status {};
    const int known = fstatat(dirfd(directory.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW);
    if (known != 0 || !S_ISREG(status.st_mode)) continue;
    use.bytes += static_cast<uint64_t>(status.st_size);
    ++use.files;
  }
}

// new/ and cur/ of the maildir and of its folders, which are ".name" directories in it.
MaildirUse measure(int root) {
  MaildirUse use;
  add_files(root, "new", use);
  add_files(root, "cur", use);
  const Directory listing = open_listing(root, ".");
  if (listing == nullptr) return use;
  while (const dirent* entry = readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with('.') || name == "." || name == "..") continue;
    const UniqueFd folder(
        openat(root, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder.is_open()) continue;
    add_files(folder.get(), "new", use);
    add_files(folder.get(), "cur", use);
  }
  return use;
}

class Maildir final : public Mailbox {
 public:
  explicit Maildir(MailboxPlan plan) : plan_(std::move(plan)) {}
  ~Maildir() override { abandon(); }

  MailboxStep open() override;
  MailboxStep append(std::string_view text) override;
  MailboxStep commit(std::string_view tag) override;
  void abandon() noexcept override;

 private:
  MailboxStep open_directories();
  MailboxStep check_quota();
  MailboxStep make_file();

  MailboxPlan plan_;
  UniqueFd root_;
  UniqueFd tmp_;
  UniqueFd new_;
  UniqueFd file_;
  std::string name_;  // in tmp/; empty where there is none
};

MailboxStep Maildir::open() {
  using Step = MailboxStep (Maildir::*)();
  for (const Step step : {&Maildir::open_directories, &Maildir::check_quota, &Maildir::make_file}) {
    MailboxStep fault = (this->*step)();
    if (fault) return fault;
  }
  return {};
}

MailboxStep Maildir::open_directories() {
  if (plan_.create_directory) {
    MailboxStep fault = make_directories(plan_.path, plan_.directory_mode);
    for (const char* name : {"/tmp", "/new", "/cur"}) {
      if (!fault) fault = make_directories(plan_.path + name, plan_.directory_mode);
    }
    if (fault) return fault;
  }
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  root_ = UniqueFd(::open(plan_.path.c_str(), kFlags));
  if (root_.is_open()) tmp_ = UniqueFd(openat(root_.get(), "tmp", kFlags | O_NOFOLLOW));
  if (tmp_.is_open()) new_ = UniqueFd(openat(root_.get(), "new", kFlags | O_NOFOLLOW));
  if (new_.is_open()) return {};
  const bool is_no_directory = errno == ENOTDIR || errno == ELOOP;
  if (is_no_directory) {
    return system_fault(kErrorNotDirectory, "mailbox " + plan_.path + " is not a maildir");
  }
  return system_fault(errno, "failed to open maildir " + plan_.path);
}

MailboxStep Maildir::check_quota() {
  if (plan_.quota_bytes == 0 && plan_.quota_files == 0) return {};
  MaildirUse use = measure(root_.get());
  if (plan_.quota_is_inclusive) {
    use.bytes += plan_.message_bytes;
    ++use.files;
  }
  const bool is_over = (plan_.quota_bytes != 0 && use.bytes > plan_.quota_bytes) ||
                       (plan_.quota_files != 0 && use.files > plan_.quota_files);
  if (!is_over) return {};
  struct stat status {};
  const bool known = fstat(new_.get(), &status) == 0;
  const int64_t idle = known ? time(nullptr) - status.st_atime : 0;
  return quota_fault("maildir " + plan_.path, Seconds{std::max<int64_t>(0, idle)});
}

MailboxStep Maildir::make_file() {
  int error_number = EEXIST;
  for (int64_t tries = 0; tries < std::max<int64_t>(1, plan_.maildir_retries); ++tries) {
    const std::string name = unique_name(plan_.host);
    file_ = UniqueFd(openat(tmp_.get(), name.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (file_.is_open()) {
      name_ = name;
      break;
    }
    error_number = errno;
    if (error_number != EEXIST) break;
  }
  if (file_.is_open() && fchmod(file_.get(), plan_.mode) == 0) return {};
  if (file_.is_open()) error_number = errno;
  return system_fault(error_number, "failed to create a file in " + plan_.path + "/tmp");
}

MailboxStep Maildir::append(std::string_view text) {
  MailboxStep fault = write_all(file_.get(), text, plan_.path + "/tmp/" + name_);
  bytes_written_ += text.size();
  return fault;
}

MailboxStep Maildir::commit(std::string_view tag) {
  if (fsync(file_.get()) != 0) {
    return system_fault(errno, "error while syncing " + plan_.path + "/tmp/" + name_);
  }
  file_.reset();
  const std::string final_name = name_ + std::string(tag);
  int renamed =
      renameat2(tmp_.get(), name_.c_str(), new_.get(), final_name.c_str(), RENAME_NOREPLACE);
  // Not every file system can refuse to replace; the name is unique anyway.
  if (renamed != 0 && (errno == EINVAL || errno == ENOSYS)) {
    renamed = renameat(tmp_.get(), name_.c_str(), new_.get(), final_name.c_str());
  }
  if (renamed != 0) return system_fault(errno, "error while moving into " + plan_.path + "/new");
  name_.clear();
  if (fsync(new_.get()) == 0) return {};
  const int error_number = errno;
  unlinkat(new_.get(), final_name.c_str(), 0);
  return system_fault(error_number, "error while syncing " + plan_.path + "/new");
}

void Maildir::abandon() noexcept {
  file_.reset();
  if (!name_.empty()) unlinkat(tmp_.get(), name_.c_str(), 0);
  name_.clear();
}

}  // namespace

std::unique_ptr<Mailbox> make_maildir(MailboxPlan plan) {
  return std::make_unique<Maildir>(std::move(plan));
}

}  // namespace godwit::delivery
