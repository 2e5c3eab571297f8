// passwd: a user of this system, as a line of /etc/passwd without name and password.
#include "acl/lookup/finders.h"
#include "acl/lookup/parts.h"
#include "core/base/ascii.h"

#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace godwit::acl {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

Result<LookupFound> ask_system(const std::string& name) {
  std::vector<char> buffer(kBufferBytes);
  passwd entry{};
  passwd* result = nullptr;
  const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &result);
  // Systems without any source of users say ENOENT and its like for "no".
  const bool absent =
      error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
  if (result == nullptr && absent) return LookupFound();
  if (result == nullptr)
    return deferred("passwd lookup failed: " + std::string(std::strerror(error)));
  std::string line = "*:";
  append_decimal(line, entry.pw_uid);
  line += ':';
  append_decimal(line, entry.pw_gid);
  for (const char* field : {entry.pw_gecos, entry.pw_dir, entry.pw_shell}) {
    line += ':';
    line += field;
  }
  return found(std::move(line));
}

}  // namespace

// The system may ask the network (NSS): never on the loop.
Result<LookupFound> find_passwd(LookupParts& parts, const LookupCall& call) {
  const std::string name(call.key);
  return parts.pool.run("a passwd lookup", [name] { return ask_system(name); });
}

}  // namespace godwit::acl
