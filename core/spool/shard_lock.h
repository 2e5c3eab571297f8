// Who owns a shard: the lock on its `lock` file. And how a shard's folder is removed. Blocking.
#pragma once

#include "core/base/result.h"
#include "core/io/files.h"

#include <string>

namespace godwit::spool {

// Takes the lock of `dir`, or Errc::locked; with `create` its file is made where missing. `lock`
// holds it from then on.
Result<void> lock_shard(Files& files, const std::string& dir, bool create, File& lock);

// Removes the folder and all in it, one level of folders deep.
Result<void> remove_shard_folder(Files& files, const std::string& dir);

}  // namespace godwit::spool
