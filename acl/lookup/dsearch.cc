// dsearch: whether a directory has an entry of that name.
#include "acl/lookup/finders.h"
#include "acl/lookup/text_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace godwit::acl {
namespace {

// "." and ".." are no entries, but for filter=dir.
bool is_wanted(const struct stat& status, std::string_view name, const LookupOptions& options) {
  const bool is_dots = name == "." || name == "..";
  const std::optional<std::string_view> filter = options.get("filter");
  if (!filter) return !is_dots;
  if (*filter == "file") return S_ISREG(status.st_mode);
  if (*filter == "dir") return S_ISDIR(status.st_mode);
  return S_ISDIR(status.st_mode) && !is_dots;
}

}  // namespace

Result<LookupFound> find_dsearch(LookupParts&, const LookupCall& call) {
  const std::string directory(call.file);
  const std::optional<std::string_view> filter = call.options.get("filter");
  if (filter && *filter != "file" && *filter != "dir" && *filter != "subdir")
    return deferred("unknown filter \"" + std::string(*filter) + "\" for dsearch lookup");
  if (call.key.find('/') != std::string_view::npos)
    return deferred("key for dsearch lookup contains a slash: " + std::string(call.key));
  struct stat status;
  if (::stat(directory.c_str(), &status) != 0)
    return open_failure(directory, "directory search", errno);
  if (!S_ISDIR(status.st_mode)) return open_failure(directory, "directory search", ENOTDIR);
  if (call.key.empty() || call.key.find('\0') != std::string_view::npos) return LookupFound();
  const std::string entry = directory + "/" + std::string(call.key);
  if (::lstat(entry.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENAMETOOLONG) return LookupFound();
    return deferred("failed to look at " + entry + ": " + std::strerror(errno));
  }
  if (!is_wanted(status, call.key, call.options)) return LookupFound();
  return found(call.options.is("ret", "full") ? entry : std::string(call.key));
}

}  // namespace godwit::acl
