// Mailbox: where one message is written to: an mbox file or a maildir. Everything here blocks and
// is called on pool threads, one call at a time; it knows no loop and no expansion.
// Used by: appendfile.cc. Lifetime: one delivery. A Mailbox that was not committed leaves the place
// as it was before.
#pragma once

#include "acl/expand/regex.h"
#include "core/base/time.h"
#include "delivery/transport/outcome.h"
#include "delivery/transport/unique_fd.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

// Numbers that Exim's log shows for a local mailbox.
enum MailboxErrorNumber : int {
  kErrorNotRegular = -4,
  kErrorNotDirectory = -5,
  kErrorBadOwner = -6,
  kErrorBadMode = -7,
  kErrorInodeChanged = -8,
  kErrorLockFailed = -9,
  kErrorOverQuota = -22,
  kErrorUnknownFormat = -33,
  kErrorBadCreate = -34,
};

// One delivery with all its options as values.
struct FileOwner {
  uint32_t user = 0;
  uint32_t group = 0;
  std::vector<uint32_t> groups = {};  // additional ones; empty: those of this process stay
};

// Between construction and destruction this thread touches files with the rights of `owner`, and
// what it creates belongs to it. Needs root; without an owner it does nothing.
class ActAs {
 public:
  explicit ActAs(const std::optional<FileOwner>& owner) noexcept;
  ~ActAs();
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

 private:
  bool acts_;
  bool has_groups_ = false;
  std::vector<uint32_t> groups_before_;
};

struct MailboxUse {
  uint64_t bytes = 0;
  uint64_t files = 0;
};

// Where files and directories may be made that are not there: below a directory, which is not
// among them itself. Nothing: anywhere.
using CreationRoot = std::optional<std::string>;

struct MailboxPlan {
  std::string path;  // absolute: the file, or the directory of the maildir
  bool is_maildir = false;
  std::string host;  // for unique names
  WallTime now;
  uint32_t mode = 0600;
  uint32_t directory_mode = 0700;
  bool create_directory = true;
  bool file_must_exist = false;
  bool check_owner = true;
  bool check_group = false;
  // Who the files belong to and whose rights are used; nothing: this process's.
  std::optional<FileOwner> owner;
  bool mode_fail_narrower = true;

  bool use_lockfile = true;
  bool use_fcntl_lock = true;
  bool use_flock_lock = false;
  bool use_mbx_lock = false;  // the lock on the file is shared, and mbx.h's beside it
  bool is_mbx = false;        // the file is in MBX format
  bool utc = false;           // dates of MBX
  uint32_t lockfile_mode = 0600;
  Seconds lockfile_timeout{1800};

  uint64_t quota_bytes = 0;  // 0: no quota
  uint64_t quota_files = 0;  // of directories only
  bool quota_is_inclusive = true;
  bool quota_delivers = false;          // no_check: over quota, and delivered all the same
  bool quota_files_delivers = false;    // the same
  bool measures = false;                // how full it is matters, although there is no quota
  std::string quota_directory;          // empty: the directory itself
  std::optional<uint64_t> known_bytes;  // what somebody else knows of its size
  std::optional<uint64_t> known_files;
  std::shared_ptr<const acl::Regex> size_regex;       // gives the size in a name; null: none
  std::shared_ptr<const acl::Regex> counted_folders;  // null: all
  bool use_size_file = false;                         // maildirsize
  bool makes_folder_file = false;                     // maildirfolder
  CreationRoot creation_root;
  bool allow_symlink = false;
  bool allow_fifo = false;

  // True where a directory of a maildir, named as below its top, counts.
  bool counts(const std::string& name) const;
  // False where the path may not be made.
  bool may_create(std::string_view what) const noexcept;
  uint64_t message_bytes = 0;  // what is going to be added, about
  int64_t maildir_retries = 10;
};

// Why a step could not be done. Nothing of the message is in the mailbox then.
struct MailboxFault {
  OutcomeKind kind = OutcomeKind::deferred;
  int error_number = 0;
  std::string text;
  bool is_busy = false;  // somebody else has it locked: worth another try soon
  bool is_quota = false;
  Seconds idle;  // is_quota: since the mailbox was last read
};
using MailboxStep = std::optional<MailboxFault>;  // nothing: done

class Mailbox {
 public:
  virtual ~Mailbox() = default;

  // The fault of open() where the message does not fit into the quota. Looks at the place as it is:
  // makes and locks nothing, and a place that is not there is empty. Instead of all that follows.
  virtual MailboxStep check_room() = 0;
  // Locks, checks and opens; may be called again after a fault with is_busy.
  virtual MailboxStep open() = 0;
  virtual MailboxStep append(std::string_view text) = 0;
  // On disk, and visible to readers. `tag` is added to the file name of a maildir.
  virtual MailboxStep commit(std::string_view tag) = 0;
  // Takes back what was appended. The destructor does it too.
  virtual void abandon() noexcept = 0;

  // Of the new file, where there is one.
  virtual uint64_t inode() const noexcept { return 0; }
  uint64_t bytes_written() const noexcept { return bytes_written_; }
  // What was in it before; where there is a quota, or the plan asks for it.
  const MailboxUse& use_before() const noexcept { return use_before_; }

 protected:
  uint64_t bytes_written_ = 0;
  MailboxUse use_before_;
};

std::unique_ptr<Mailbox> make_mbox(MailboxPlan plan);
std::unique_ptr<Mailbox> make_maildir(MailboxPlan plan);
// One new file in a directory; commit() is told its name.
std::unique_ptr<Mailbox> make_file_directory(MailboxPlan plan);
// Two new files in a directory: what commit() is told is the envelope, the rest the message.
std::unique_ptr<Mailbox> make_mailstore(MailboxPlan plan, std::string base_name);

// --- For the implementations ---------------------------------------------------------------------

// A fault with the text "what" and, where `error_number` is an errno, its text.
MailboxFault system_fault(int error_number, std::string what);
MailboxFault quota_fault(std::string_view path, Seconds idle);
// The same where the mailbox is over its quota, or becomes so by the message; else nothing.
MailboxStep check_use(const MailboxPlan& plan, MailboxUse use, std::string_view what, Seconds idle);
// All of `text`, however often write() takes only a part.
MailboxStep write_all(int fd, std::string_view text, std::string_view path);
// Makes `path` and what is missing above it.
MailboxStep make_directories(const std::string& path, uint32_t mode);
// "<seconds>.M<micros>P<pid>Q<number>.<host>": no other process and no other call gives the same.
std::string unique_name(std::string_view host);

}  // namespace godwit::delivery
