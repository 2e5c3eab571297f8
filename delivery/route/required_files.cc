#include "delivery/route/required_files.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/route/local_user.h"
#include "delivery/route/pool_call.h"

#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <system_error>

namespace godwit::delivery {
namespace {

enum class Presence : uint8_t { there, missing, forbidden, unknown };

Presence presence_of(int error) noexcept {
  if (error == ENOENT || error == ENOTDIR) return Presence::missing;
  return error == EACCES ? Presence::forbidden : Presence::unknown;
}

bool allows(const struct stat& entry, const LocalUser& user, mode_t bit) noexcept {
  if (entry.st_uid == user.uid) return (entry.st_mode & (bit << 6)) != 0;
  if (entry.st_gid == user.gid) return (entry.st_mode & (bit << 3)) != 0;
  return (entry.st_mode & bit) != 0;
}

// The rough check of a path for somebody else: "x" of every directory, "r" of the file.
Presence look_as(const std::string& path, const LocalUser& user) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const bool is_last = slash == std::string::npos;
    struct stat entry {};
    if (::stat(path.substr(0, slash).c_str(), &entry) != 0) return presence_of(errno);
    if (user.uid != 0 && !allows(entry, user, is_last ? S_IROTH : S_IXOTH))
      return Presence::forbidden;
    if (is_last) return Presence::there;
  }
}

Presence look(const std::string& path, const std::optional<LocalUser>& user) {
  if (user) return look_as(path, *user);
  struct stat entry {};
  return ::stat(path.c_str(), &entry) == 0 ? Presence::there : presence_of(errno);
}

// "user" or "user,group". Nothing where one of them does not exist.
Result<std::optional<LocalUser>> read_user(std::string_view item, const acl::Services* services) {
  const size_t comma = item.find(',');
  Result<std::optional<LocalUser>> user =
      find_local_user(std::string(trim(item.substr(0, comma))), true, services);
  if (!user || !*user || comma == std::string_view::npos) return user;
  const Result<std::optional<uint32_t>> group =
      find_local_group(std::string(trim(item.substr(comma + 1))), services);
  if (!group) return group.error();
  if (!*group) return std::optional<LocalUser>();
  (*user)->gid = **group;
  return user;
}

}  // namespace

Result<bool> required_files_exist(const std::string& list, const acl::Services* services) {
  std::optional<LocalUser> user;
  for (const std::string& whole : config::split_list(list)) {
    std::string_view item = whole;
    if (item.empty()) continue;
    if (item.find('/') == std::string_view::npos) {
      Result<std::optional<LocalUser>> found = read_user(item, services);
      if (!found) return found.error();
      if (!*found)
        return Error(Errc::lookup_deferred, "user \"" + whole + "\" for require_files not found");
      user = std::move(**found);
      continue;
    }
    bool wanted = true;
    bool forbidden_is_missing = false;
    for (; item.starts_with('!') || item.starts_with('+'); item = trim_left(item.substr(1))) {
      if (item.front() == '!') wanted = !wanted;
      if (item.front() == '+') forbidden_is_missing = true;
    }
    const std::string path(item);
    if (!path.starts_with('/'))
      return Error(Errc::lookup_deferred,
                   "require_files: \"" + path + "\" is not an absolute path");
    auto looked = call_on_pool(services, [&] { return look(path, user); });
    if (!looked) return Error(Errc::lookup_deferred, kCannotWait);
    if (*looked == Presence::forbidden && forbidden_is_missing) looked = Presence::missing;
    // What that user may not read is not there for them.
    if (*looked == Presence::forbidden && user) looked = Presence::missing;
    if (*looked == Presence::forbidden || *looked == Presence::unknown)
      return Error(Errc::lookup_deferred, "require_files: error for " + path);
    if ((*looked == Presence::there) != wanted) return false;
  }
  return true;
}

}  // namespace godwit::delivery
