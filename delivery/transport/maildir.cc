// A maildir: each message is a file, written in tmp/, synced, and renamed into new/. No locks.
#include "delivery/transport/mailbox.h"
#include "delivery/transport/mailbox_use.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace godwit::delivery {
namespace {

constexpr const char* kFolderFile = "maildirfolder";

class Maildir final : public Mailbox {
 public:
  explicit Maildir(MailboxPlan plan) : plan_(std::move(plan)) {}
  ~Maildir() override { abandon(); }

  MailboxStep check_room() override;
  MailboxStep open() override;
  MailboxStep append(std::string_view text) override;
  MailboxStep commit(std::string_view tag) override;
  void abandon() noexcept override;

 private:
  MailboxStep open_directories();
  MailboxStep make_folder_file();
  MailboxStep check_quota();
  MailboxStep make_file();

  MailboxPlan plan_;
  UniqueFd root_;
  UniqueFd tmp_;
  UniqueFd new_;
  UniqueFd file_;
  std::string name_;  // in tmp/; empty where there is none
  std::optional<MaildirSize> size_file_;
};

MailboxStep Maildir::open() {
  using Step = MailboxStep (Maildir::*)();
  for (const Step step : {&Maildir::open_directories, &Maildir::make_folder_file,
                          &Maildir::check_quota, &Maildir::make_file}) {
    MailboxStep fault = (this->*step)();
    if (fault) return fault;
  }
  return {};
}

MailboxStep Maildir::open_directories() {
  struct stat status {};
  const bool is_new = stat(plan_.path.c_str(), &status) != 0;
  if (is_new && plan_.create_directory && !plan_.may_create(plan_.path)) {
    return system_fault(kErrorBadCreate,
                        "failed to create directory " + plan_.path + ": create_file forbids it");
  }
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

MailboxStep Maildir::check_room() {
  root_ = UniqueFd(::open(plan_.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root_.is_open() || errno == ENOENT) return check_quota();
  return system_fault(errno, "failed to open maildir " + plan_.path);
}

// Says that this is a folder of the maildir one level up.
MailboxStep Maildir::make_folder_file() {
  if (!plan_.makes_folder_file) return {};
  const UniqueFd file(
      openat(root_.get(), kFolderFile, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, plan_.mode));
  if (file.is_open()) return {};
  return system_fault(errno, "while creating " + plan_.path + "/" + kFolderFile);
}

MailboxStep Maildir::check_quota() {
  const bool has_quota = plan_.quota_bytes != 0 || plan_.quota_files != 0;
  if (!has_quota && !plan_.measures && !plan_.use_size_file) return {};
  // A folder is part of the maildir above it.
  std::string top = plan_.quota_directory.empty() ? plan_.path : plan_.quota_directory;
  const bool is_folder = faccessat(root_.get(), kFolderFile, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  const size_t slash = plan_.path.rfind('/');
  const bool is_below = is_folder && slash != 0;
  if (plan_.quota_directory.empty() && is_below) top = plan_.path.substr(0, slash);
  const bool is_counted = top == plan_.path || plan_.counts(plan_.path.substr(slash + 1));
  if (!is_counted) return {};
  const bool is_there = root_.is_open() || !plan_.quota_directory.empty();
  if (plan_.use_size_file && is_there) {
    size_file_.emplace(top, plan_);
    MailboxStep fault = size_file_->read(use_before_);
    if (fault) return fault;
  } else if (!plan_.known_bytes || (plan_.quota_files != 0 && !plan_.known_files)) {
    use_before_ = measure_maildir(top, plan_);
  }
  use_before_.bytes = plan_.known_bytes.value_or(use_before_.bytes);
  use_before_.files = plan_.known_files.value_or(use_before_.files);
  struct stat status {};
  const bool known = fstat(new_.get(), &status) == 0;
  const int64_t idle = known ? time(nullptr) - status.st_atime : 0;
  return check_use(plan_, use_before_, "maildir", Seconds{std::max<int64_t>(0, idle)});
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
  if (fsync(new_.get()) == 0) {
    if (size_file_) size_file_->add(bytes_written_);
    return {};
  }
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
