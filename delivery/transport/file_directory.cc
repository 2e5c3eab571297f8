// A directory in which each message is a new file, or two of them: plain files under a name that
// the configuration gives, and mailstore (the envelope in .env, the message in .msg). No locks.
#include "delivery/transport/mailbox.h"
#include "delivery/transport/mailbox_use.h"
#include "delivery/transport/unique_fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace godwit::delivery {
namespace {

class FileDirectory : public Mailbox {
 public:
  explicit FileDirectory(MailboxPlan plan) : plan_(std::move(plan)) {}
  ~FileDirectory() override { abandon(); }

  MailboxStep check_room() override { return check_quota(); }
  MailboxStep open() override {
    MailboxStep fault = open_directory();
    if (!fault) fault = check_quota();
    if (!fault) fault = make_file("temp." + unique_name(plan_.host));
    return fault;
  }
  MailboxStep append(std::string_view text) override {
    MailboxStep fault = write_all(file_.get(), text, plan_.path + "/" + name_);
    bytes_written_ += text.size();
    return fault;
  }
  MailboxStep commit(std::string_view name) override {
    MailboxStep fault = sync_file();
    if (!fault) fault = move_to(name_, std::string(name));
    if (fault) return fault;
    name_.clear();
    return sync_directory();
  }
  void abandon() noexcept override {
    file_.reset();
    if (!name_.empty()) unlinkat(directory_.get(), name_.c_str(), 0);
    name_.clear();
  }
  uint64_t inode() const noexcept override { return inode_; }

 protected:
  MailboxStep open_directory();
  MailboxStep check_quota();
  MailboxStep make_file(std::string name);
  MailboxStep sync_file() {
    if (fsync(file_.get()) == 0) return {};
    return system_fault(errno, "error while syncing " + plan_.path + "/" + name_);
  }
  MailboxStep sync_directory() {
    if (fsync(directory_.get()) == 0) return {};
    return system_fault(errno, "error while syncing directory " + plan_.path);
  }
  MailboxStep move_to(const std::string& from, const std::string& to) {
    if (renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) == 0) return {};
    return system_fault(errno, "while moving " + from + " to " + to + " in " + plan_.path);
  }

  MailboxPlan plan_;
  UniqueFd directory_;
  UniqueFd file_;
  std::string name_;  // of the file under way; empty where there is none
  uint64_t inode_ = 0;
};

MailboxStep FileDirectory::open_directory() {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  directory_ = UniqueFd(::open(plan_.path.c_str(), kFlags));
  if (directory_.is_open()) return {};
  if (errno == ENOENT && plan_.create_directory) {
    if (!plan_.may_create(plan_.path)) {
      return system_fault(kErrorBadCreate,
                          "failed to create directory " + plan_.path + ": create_file forbids it");
    }
    MailboxStep fault = make_directories(plan_.path, plan_.directory_mode);
    if (fault) return fault;
    directory_ = UniqueFd(::open(plan_.path.c_str(), kFlags));
  }
  if (directory_.is_open()) return {};
  return system_fault(errno, "failed to open directory " + plan_.path);
}

MailboxStep FileDirectory::check_quota() {
  const bool has_quota = plan_.quota_bytes != 0 || plan_.quota_files != 0;
  if (!has_quota && !plan_.measures) return {};
  if (!plan_.known_bytes || (plan_.quota_files != 0 && !plan_.known_files)) {
    const std::string& top = plan_.quota_directory.empty() ? plan_.path : plan_.quota_directory;
    use_before_ = measure_directory(top, plan_.size_regex.get());
  }
  use_before_.bytes = plan_.known_bytes.value_or(use_before_.bytes);
  use_before_.files = plan_.known_files.value_or(use_before_.files);
  return check_use(plan_, use_before_, "directory", Seconds{0});
}

MailboxStep FileDirectory::make_file(std::string name) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  file_ = UniqueFd(openat(directory_.get(), name.c_str(), kFlags, 0600));
  struct stat status {};
  const bool is_made =
      file_.is_open() && fchmod(file_.get(), plan_.mode) == 0 && fstat(file_.get(), &status) == 0;
  if (file_.is_open()) name_ = std::move(name);
  if (!is_made) return system_fault(errno, "while creating a file in " + plan_.path);
  inode_ = status.st_ino;
  return {};
}

// Readers wait until a message has an .env beside its .msg.
class Mailstore final : public FileDirectory {
 public:
  Mailstore(MailboxPlan plan, std::string base_name)
      : FileDirectory(std::move(plan)), base_(std::move(base_name)) {}
  ~Mailstore() override { abandon(); }

  MailboxStep open() override {
    MailboxStep fault = open_directory();
    if (!fault) fault = check_quota();
    if (!fault) fault = make_file(base_ + ".msg");
    return fault;
  }
  MailboxStep commit(std::string_view envelope) override {
    MailboxStep fault = sync_file();
    if (fault) return fault;
    const std::string message = std::exchange(name_, {});
    fault = make_file(base_ + ".tmp");
    if (!fault) fault = write_all(file_.get(), envelope, plan_.path + "/" + name_);
    if (!fault) fault = sync_file();
    if (!fault) fault = move_to(name_, base_ + ".env");
    if (fault) {
      unlinkat(directory_.get(), message.c_str(), 0);
      return fault;
    }
    name_.clear();
    return sync_directory();
  }

 private:
  std::string base_;
};

}  // namespace

std::unique_ptr<Mailbox> make_file_directory(MailboxPlan plan) {
  return std::make_unique<FileDirectory>(std::move(plan));
}

std::unique_ptr<Mailbox> make_mailstore(MailboxPlan plan, std::string base_name) {
  return std::make_unique<Mailstore>(std::move(plan), std::move(base_name));
}

}  // namespace godwit::delivery
