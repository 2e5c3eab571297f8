#include "delivery/route/local_user.h"

#include "core/base/ascii.h"
#include "delivery/route/pool_call.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <vector>

namespace godwit::delivery {
namespace {

constexpr size_t kEntryBytesMax = 1u << 20;

// Calls one of the get..._r functions with as much room as it wants. Its errno, or 0.
template <class Entry, class Ask>
int ask_database(Entry& entry, Entry*& found, std::vector<char>& room, Ask ask) {
  for (room.resize(4096);; room.resize(room.size() * 2)) {
    const int problem = ask(&entry, room.data(), room.size(), &found);
    if (problem != ERANGE || room.size() >= kEntryBytesMax) return problem;
  }
}

// What some libraries say where there is no such entry.
bool means_nobody(int problem) noexcept {
  return problem == 0 || problem == ENOENT || problem == ESRCH;
}

Result<std::optional<LocalUser>> ask_user(const std::string& name, std::optional<uint64_t> number) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> room;
  const int problem = ask_database(
      entry, found, room, [&](passwd* into, char* bytes, size_t size, passwd** result) {
        return number ? getpwuid_r(static_cast<uid_t>(*number), into, bytes, size, result)
                      : getpwnam_r(name.c_str(), into, bytes, size, result);
      });
  if (!means_nobody(problem)) return Error(Errc::lookup_deferred, "getpwnam failed for " + name);
  if (found == nullptr) {
    // A number needs no entry to be a uid.
    if (number) return std::optional<LocalUser>({static_cast<uint32_t>(*number), 0, {}});
    return std::optional<LocalUser>();
  }
  return std::optional<LocalUser>({entry.pw_uid, entry.pw_gid, entry.pw_dir});
}

Result<std::optional<uint32_t>> ask_group(const std::string& name) {
  group entry{};
  group* found = nullptr;
  std::vector<char> room;
  const int problem =
      ask_database(entry, found, room, [&](group* into, char* bytes, size_t size, group** result) {
        return getgrnam_r(name.c_str(), into, bytes, size, result);
      });
  if (!means_nobody(problem)) return Error(Errc::lookup_deferred, "getgrnam failed for " + name);
  if (found == nullptr) return std::optional<uint32_t>();
  return std::optional<uint32_t>(entry.gr_gid);
}

}  // namespace

Result<std::optional<LocalUser>> find_local_user(const std::string& name, bool numeric_allowed,
                                                 const acl::Services* services) {
  const std::optional<uint64_t> number = numeric_allowed ? parse_decimal(name) : std::nullopt;
  if (name.empty() || name.find('\0') != std::string::npos) return std::optional<LocalUser>();
  auto answer = call_on_pool(services, [&] { return ask_user(name, number); });
  if (!answer) return Error(Errc::lookup_deferred, kCannotWait);
  return std::move(*answer);
}

Result<std::optional<uint32_t>> find_local_group(const std::string& name,
                                                 const acl::Services* services) {
  if (const std::optional<uint64_t> number = parse_decimal(name))
    return std::optional<uint32_t>(static_cast<uint32_t>(*number));
  auto answer = call_on_pool(services, [&] { return ask_group(name); });
  if (!answer) return Error(Errc::lookup_deferred, kCannotWait);
  return std::move(*answer);
}

}  // namespace godwit::delivery
