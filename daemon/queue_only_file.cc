#include "daemon/queue_only_file.h"

#include "core/config/values.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

namespace godwit::daemon {

bool exists_any_of(const std::string& list) {
  const std::vector<std::string> paths = config::split_list(list);
  return std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
    return !path.empty() && ::access(path.c_str(), F_OK) == 0;
  });
}

}  // namespace godwit::daemon
