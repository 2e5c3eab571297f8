#include "delivery/transport/mailbox_use.h"

#include "core/base/ascii.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <vector>

namespace godwit::delivery {
namespace {

constexpr int kDepthMax = 20;                 // of directories below a mailbox
constexpr size_t kSizeFileBytesMax = 5120;    // a longer one is made anew, as maildir++ says
constexpr int64_t kOldSizeFileSeconds = 900;  // over quota: an older one is not believed

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

// The size that a name tells.
std::optional<uint64_t> size_in_name(std::string_view name, const acl::Regex* regex) {
  if (regex == nullptr) return {};
  acl::Captures captures;
  const Result<bool> found = regex->search(name, &captures);
  if (!found || !*found || captures.size() < 2) return {};
  return parse_decimal(captures[1]);
}

void add_entry(int at, const char* name, const acl::Regex* regex, int depth, MailboxUse& use);

void add_all(int at, const char* name, const acl::Regex* regex, int depth, MailboxUse& use) {
  const Directory directory = depth > kDepthMax ? nullptr : open_listing(at, name);
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view found = entry->d_name;
    const bool is_message = depth < kDepthMax || !found.starts_with('.');
    if (found != "." && found != ".." && is_message)
      add_entry(dirfd(directory.get()), entry->d_name, regex, depth, use);
  }
}

void add_entry(int at, const char* name, const acl::Regex* regex, int depth, MailboxUse& use) {
  if (const std::optional<uint64_t> told = size_in_name(name, regex)) {
    use.bytes += *told;
    ++use.files;
    return;
  }
  struct stat status {};
  if (fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (S_ISDIR(status.st_mode)) return add_all(at, name, regex, depth + 1, use);
  if (!S_ISREG(status.st_mode)) return;
  // A file of several names is there once.
  use.bytes += static_cast<uint64_t>(status.st_size) / std::max<uint64_t>(1, status.st_nlink);
  ++use.files;
}

std::string header_of(const MailboxPlan& plan) {
  return std::to_string(plan.quota_bytes) + "S," + std::to_string(plan.quota_files) + "C\n";
}

// "<bytes> <files>"; both may have a sign.
bool add_line(std::string_view line, int64_t& bytes, int64_t& files) {
  line = trim(line);
  int64_t more_bytes = 0;
  int64_t more_files = 0;
  const auto first = std::from_chars(line.data(), line.data() + line.size(), more_bytes);
  if (first.ec != std::errc()) return false;
  const std::string_view rest = trim(line.substr(static_cast<size_t>(first.ptr - line.data())));
  const auto second = std::from_chars(rest.data(), rest.data() + rest.size(), more_files);
  if (second.ec != std::errc()) return false;
  bytes += more_bytes;
  files += more_files;
  return true;
}

}  // namespace

MailboxUse measure_directory(const std::string& path, const acl::Regex* size_regex) {
  MailboxUse use;
  const UniqueFd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root.is_open()) add_all(root.get(), ".", size_regex, 0, use);
  return use;
}

MailboxUse measure_maildir(const std::string& path, const MailboxPlan& plan) {
  MailboxUse use;
  const Directory root = open_listing(AT_FDCWD, path.c_str());
  if (root == nullptr) return use;
  const int at = dirfd(root.get());
  const acl::Regex* regex = plan.size_regex.get();
  while (const dirent* entry = readdir(root.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || !plan.counts(name)) continue;
    if (name == "new" || name == "cur") {
      add_all(at, name.c_str(), regex, kDepthMax, use);
    } else if (name.starts_with('.')) {
      add_all(at, (name + "/new").c_str(), regex, kDepthMax, use);
      add_all(at, (name + "/cur").c_str(), regex, kDepthMax, use);
    }
  }
  return use;
}

MailboxStep MaildirSize::read(MailboxUse& use) {
  const std::string path = root_ + "/maildirsize";
  file_ = UniqueFd(::open(path.c_str(), O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC));
  if (!file_.is_open()) return rebuild(use);
  std::array<char, kSizeFileBytesMax> text;
  const ssize_t size = pread(file_.get(), text.data(), text.size(), 0);
  const bool is_whole = size >= 0 && static_cast<size_t>(size) < text.size();
  if (!is_whole || !parse({text.data(), static_cast<size_t>(size)}, use)) return rebuild(use);
  const bool is_over = (plan_.quota_bytes != 0 && use.bytes > plan_.quota_bytes) ||
                       (plan_.quota_files != 0 && use.files > plan_.quota_files);
  struct stat status {};
  const bool is_old =
      fstat(file_.get(), &status) != 0 || time(nullptr) - status.st_mtime > kOldSizeFileSeconds;
  const bool has_more_lines =
      std::count(text.data(), text.data() + size, '\n') > 2;  // since it was counted
  if (is_over && (is_old || has_more_lines)) return rebuild(use);
  return {};
}

// False where the file is wrong, or was made for another quota.
bool MaildirSize::parse(std::string_view text, MailboxUse& use) const {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos || text.substr(0, end + 1) != header_of(plan_)) return false;
  int64_t bytes = 0;
  int64_t files = 0;
  for (size_t at = end + 1; at < text.size();) {
    const size_t stop = std::min(text.find('\n', at), text.size());
    if (!add_line(text.substr(at, stop - at), bytes, files)) return false;
    at = stop + 1;
  }
  if (bytes < 0 || files < 0) return false;
  use.bytes = static_cast<uint64_t>(bytes);
  use.files = static_cast<uint64_t>(files);
  return true;
}

// Beside the old one, and then in its place, so that nobody reads half of it.
MailboxStep MaildirSize::rebuild(MailboxUse& use) {
  use = measure_maildir(root_, plan_);
  const std::string path = root_ + "/maildirsize";
  const std::string fresh = root_ + "/" + unique_name(plan_.host) + ".size";
  file_ = UniqueFd(::open(fresh.c_str(), O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file_.is_open()) return system_fault(errno, "while creating " + fresh);
  fchmod(file_.get(), plan_.mode);
  const std::string text =
      header_of(plan_) + std::to_string(use.bytes) + " " + std::to_string(use.files) + "\n";
  MailboxStep fault = write_all(file_.get(), text, fresh);
  if (!fault && ::rename(fresh.c_str(), path.c_str()) != 0)
    fault = system_fault(errno, "while moving " + fresh + " to " + path);
  if (fault) ::unlink(fresh.c_str());
  return fault;
}

void MaildirSize::add(uint64_t bytes) noexcept {
  const std::string line = std::to_string(bytes) + " 1\n";
  const ssize_t wrote = ::write(file_.get(), line.data(), line.size());
  // Where this fails the next count puts it right.
  static_cast<void>(wrote);
}

}  // namespace godwit::delivery
