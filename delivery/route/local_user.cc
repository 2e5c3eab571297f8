#include "delivery/route/local_user.h"

#include "core/base/ascii.h"
#include "delivery/route/pool_call.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
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

// Nothing for a name; an error for a number that is no id. The highest one means "unchanged".
Result<std::optional<uint32_t>> id_in(const std::string& name) {
  const std::optional<uint64_t> number = parse_decimal(name);
  const bool is_digits = !name.empty() && std::ranges::all_of(name, is_digit);
  if (!is_digits) return std::optional<uint32_t>();
  if (number && *number < UINT32_MAX)
    return std::optional<uint32_t>(static_cast<uint32_t>(*number));
  return Error(Errc::invalid_argument, name + " is too large for an id");
}

// No question for the database.
bool is_no_name(const std::string& name) {
  return name.empty() || name.find('\0') != std::string::npos;
}

}  // namespace

Result<std::optional<LocalUser>> ask_local_user(const std::string& name, bool numeric_allowed) {
  if (is_no_name(name)) return std::optional<LocalUser>();
  std::optional<uint32_t> number;
  if (numeric_allowed) {
    const Result<std::optional<uint32_t>> id = id_in(name);
    if (!id) return id.error();
    number = *id;
  }
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> room;
  const int problem = ask_database(
      entry, found, room, [&](passwd* into, char* bytes, size_t size, passwd** result) {
        return number ? getpwuid_r(*number, into, bytes, size, result)
                      : getpwnam_r(name.c_str(), into, bytes, size, result);
      });
  if (!means_nobody(problem)) return Error(Errc::lookup_deferred, "getpwnam failed for " + name);
  if (found != nullptr)
    return std::optional<LocalUser>({entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_name});
  // A number needs no entry to be a uid.
  if (number) return std::optional<LocalUser>({*number, 0, {}, {}});
  return std::optional<LocalUser>();
}

Result<std::optional<uint32_t>> ask_local_group(const std::string& name) {
  if (is_no_name(name)) return std::optional<uint32_t>();
  Result<std::optional<uint32_t>> id = id_in(name);
  if (!id || *id) return id;
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

Result<std::optional<LocalUser>> find_local_user(const std::string& name, bool numeric_allowed,
                                                 const acl::Services* services) {
  auto answer = call_on_pool(services, [&] { return ask_local_user(name, numeric_allowed); });
  if (!answer) return Error(Errc::lookup_deferred, kCannotWait);
  return std::move(*answer);
}

Result<std::optional<uint32_t>> find_local_group(const std::string& name,
                                                 const acl::Services* services) {
  Result<std::optional<uint32_t>> id = id_in(name);
  if (!id || *id) return id;
  auto answer = call_on_pool(services, [&] { return ask_local_group(name); });
  if (!answer) return Error(Errc::lookup_deferred, kCannotWait);
  return std::move(*answer);
}

}  // namespace godwit::delivery
