#include "delivery/route/redirect_file.h"

#include "delivery/route/local_user.h"
#include "delivery/route/pool_call.h"
#include "delivery/route/redirect_list.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <vector>

namespace godwit::delivery {
namespace {

struct OpenFile {
  int descriptor = -1;
  ~OpenFile() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

std::string octal(unsigned mode) {
  std::array<char, 16> text;
  const int n = std::snprintf(text.data(), text.size(), "%o", mode);
  return std::string(text.data(), static_cast<size_t>(n));
}

struct ReadFile {
  RedirectFile file;
  struct stat entry {};
};

ReadFile failure(const std::string& path, const char* what) {
  ReadFile out;
  out.file.problem = errno;
  out.file.message = std::string("failed to ") + what + " " + path + ": " +
                     std::generic_category().message(out.file.problem);
  if (out.file.problem == EACCES)
    out.file.message +=
        " (euid=" + std::to_string(::geteuid()) + " egid=" + std::to_string(::getegid()) + ")";
  return out;
}

ReadFile read_whole(const std::string& path, bool is_included) {
  // A pipe that nobody writes to must not stop the pool.
  const OpenFile open{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (open.descriptor < 0) return failure(path, is_included ? "open included file" : "open");
  ReadFile out;
  if (::fstat(open.descriptor, &out.entry) != 0) return failure(path, "stat");
  if (!S_ISREG(out.entry.st_mode)) {
    out.file.message = path + " is not a regular file";
    return out;
  }
  if (static_cast<size_t>(out.entry.st_size) > kRedirectBytesMax) {
    out.file.message = path + " is too long";
    return out;
  }
  std::string& text = out.file.text;
  std::array<char, 16384> page;
  for (;;) {
    const ssize_t got = ::read(open.descriptor, page.data(), page.size());
    if (got < 0) return failure(path, "read");
    if (got == 0) return out;
    text.append(page.data(), static_cast<size_t>(got));
    if (text.size() > kRedirectBytesMax) {
      out.file.message = path + " is too long";
      return out;
    }
  }
}

bool is_owner(uint32_t uid, const RedirectFileRules& rules, const acl::Services* services) {
  if (rules.user_id == static_cast<int64_t>(uid)) return true;
  return std::any_of(rules.owners.begin(), rules.owners.end(), [&](const std::string& name) {
    const Result<std::optional<LocalUser>> user = find_local_user(name, true, services);
    return user && *user && (*user)->uid == uid;
  });
}

bool is_group(uint32_t gid, const RedirectFileRules& rules, const acl::Services* services) {
  if (rules.group_id == static_cast<int64_t>(gid)) return true;
  return std::any_of(rules.groups.begin(), rules.groups.end(), [&](const std::string& name) {
    const Result<std::optional<uint32_t>> group = find_local_group(name, services);
    return group && *group && **group == gid;
  });
}

}  // namespace

RedirectFile read_redirect_file(const std::string& path, const RedirectFileRules& rules,
                                const acl::Services* services) {
  auto answer = call_on_pool(services, [&] { return read_whole(path, rules.is_included); });
  if (!answer) return {{}, 0, "cannot read " + path + ": " + kCannotWait};
  RedirectFile& out = answer->file;
  if (!out.message.empty()) return out;
  const struct stat& entry = answer->entry;
  const unsigned bad = entry.st_mode & static_cast<unsigned>(rules.forbidden_mode) & 07777;
  if (bad != 0) {
    out.message = "bad mode (0" + octal(entry.st_mode) + ") for " + path + ": 0" + octal(bad) +
                  " bit(s) unexpected";
  } else if (rules.check_owner && !is_owner(entry.st_uid, rules, services)) {
    out.message = "bad owner for " + path;
  } else if (rules.check_group && !is_group(entry.st_gid, rules, services)) {
    out.message = "bad group for " + path;
  }
  return out;
}

}  // namespace godwit::delivery
