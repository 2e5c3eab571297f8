// queue_only_file: files whose existence means queue_only.
#pragma once

#include <string>

namespace godwit::daemon {

// Whether one of the files of the list is there. Asks the file system: on the thread pool, or where
// there is no loop to hold up.
bool exists_any_of(const std::string& list);

}  // namespace godwit::daemon
