#include "core/spool/shard_lock.h"

#include "core/spool/segment.h"

#include <utility>

namespace godwit::spool {
namespace {

Result<void> remove_files(Files& files, const std::string& dir, int levels) {
  const Result<std::vector<std::string>> names = files.list(dir);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string path = dir + "/" + name;
    const Result<FileStat> stat = files.stat(path);
    if (!stat) return stat.error();
    Result<void> done;
    if (stat->is_directory && levels > 0) done = remove_files(files, path, levels - 1);
    if (done) done = stat->is_directory ? files.remove_directory(path) : files.remove(path);
    if (!done) return done;
  }
  return {};
}

}  // namespace

Result<void> lock_shard(Files& files, const std::string& dir, bool create, File& lock) {
  const std::string path = dir + "/" + std::string(kLockName);
  Result<File> file = File::open(files, path, create ? FileOpen::create : FileOpen::read_write);
  if (!file) return file.error();
  Result<void> locked = files.lock(file->id());
  if (!locked) return locked;
  // Between the opening and the lock the shard may have been adopted away.
  const Result<FileStat> opened = files.stat(file->id());
  const Result<FileStat> named = files.stat(path);
  if (!opened || !named || opened->inode != named->inode) {
    return Error(Errc::locked, dir + ": taken over meanwhile");
  }
  lock = std::move(*file);
  return {};
}

Result<void> remove_shard_folder(Files& files, const std::string& dir) {
  Result<void> done = remove_files(files, dir, 1);
  if (done) done = files.remove_directory(dir);
  return done;
}

}  // namespace godwit::spool
