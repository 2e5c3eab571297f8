#include "tests/support/power_cut_files.h"

#include <sys/uio.h>

#include <algorithm>
#include <optional>

namespace godwit::test {
namespace {

constexpr uint64_t kSector = 512;

Error off() {
  return Error(Errc::disk_error, "the power is off");
}

}  // namespace

struct PowerCutFiles::Node {
  uint64_t inode = 0;
  bool is_folder = false;
  FileId locked_by = -1;
  // A file: what programs see, what the disk has, and the sectors in which they may differ.
  std::string seen;
  std::string durable;
  std::set<uint64_t> dirty;
  // A folder.
  std::map<std::string, NodePtr> names;
  std::map<std::string, NodePtr> durable_names;
};

PowerCutFiles::PowerCutFiles(uint64_t seed) : random_(seed) {
  root_ = make_node(true);
}

PowerCutFiles::NodePtr PowerCutFiles::make_node(bool is_folder) {
  auto node = std::make_shared<Node>();
  node->inode = next_inode_++;
  node->is_folder = is_folder;
  return node;
}

uint64_t PowerCutFiles::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}
void PowerCutFiles::cut_power_at(uint64_t operation) {
  const std::lock_guard lock(mutex_);
  cut_at_ = operation;
}
void PowerCutFiles::cut_power_now() {
  const std::lock_guard lock(mutex_);
  off_ = true;
}
bool PowerCutFiles::is_off() const {
  const std::lock_guard lock(mutex_);
  return off_;
}
void PowerCutFiles::fail_at(uint64_t operation, Errc code) {
  const std::lock_guard lock(mutex_);
  failures_[operation] = code;
}
void PowerCutFiles::write_short_at(uint64_t operation, uint64_t writes) {
  const std::lock_guard lock(mutex_);
  short_from_ = operation;
  short_left_ = writes;
}
void PowerCutFiles::set_capacity(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}
void PowerCutFiles::fail_syncs(bool fail) {
  const std::lock_guard lock(mutex_);
  fail_syncs_ = fail;
}
void PowerCutFiles::fail_writes(bool fail) {
  const std::lock_guard lock(mutex_);
  fail_writes_ = fail;
}

void PowerCutFiles::allow_direct(bool opens, bool writes) {
  const std::lock_guard lock(mutex_);
  opens_direct_ = opens;
  writes_direct_ = writes;
}

void PowerCutFiles::start_again() {
  const std::lock_guard lock(mutex_);
  GODWIT_ASSERT(open_.empty());
  std::set<Node*> stopped;
  for (const Changes& changes : unsynced_names_) {
    bool happens = random_.below(2) == 0;
    for (const Change& change : changes)
      happens = happens && !stopped.contains(change.folder.get());
    for (const Change& change : changes) {
      if (!happens) {
        stopped.insert(change.folder.get());
      } else if (change.target) {
        change.folder->durable_names[change.name] = change.target;
      } else {
        change.folder->durable_names.erase(change.name);
      }
    }
  }
  unsynced_names_.clear();
  used_ = 0;
  settle(root_);
  off_ = false;
  cut_at_ = UINT64_MAX;
  failures_.clear();
  short_from_ = UINT64_MAX;
  fail_syncs_ = fail_writes_ = false;
}

void PowerCutFiles::settle(const NodePtr& node) {
  node->locked_by = -1;
  if (node->is_folder) {
    node->names = node->durable_names;
    for (const auto& [name, inner] : node->names) settle(inner);
    return;
  }
  if (node->seen.size() > node->durable.size() && random_.below(2) == 0) {
    node->durable.resize(node->seen.size(), '\0');
  }
  for (const uint64_t sector : node->dirty) {
    const uint64_t at = sector * kSector;
    if (at >= node->durable.size() || random_.below(2) == 0) continue;
    const uint64_t end = std::min<uint64_t>(node->durable.size(), node->seen.size());
    if (at >= end) continue;
    const uint64_t bytes = std::min(kSector, end - at);
    node->durable.replace(at, bytes, node->seen, at, bytes);
  }
  node->dirty.clear();
  node->seen = node->durable;
  used_ += node->seen.size();
}

std::optional<Error> PowerCutFiles::begin_change(const char* what) {
  const uint64_t operation = operations_++;
  if (operation >= cut_at_) off_ = true;
  if (off_) return off();
  const auto failure = failures_.find(operation);
  if (failure == failures_.end()) return std::nullopt;
  return Error(failure->second, std::string("injected into ") + what);
}

Result<PowerCutFiles::Place> PowerCutFiles::find(const std::string& path) {
  Place place;
  place.node = root_;
  size_t at = 0;
  while (at < path.size()) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, end - at);
    at = end + 1;
    if (name.empty()) continue;
    if (!place.node || !place.node->is_folder) return Error(Errc::not_found, path);
    place.folder = place.node;
    place.name = name;
    const auto found = place.folder->names.find(name);
    place.node = found == place.folder->names.end() ? nullptr : found->second;
  }
  return place;
}

Result<PowerCutFiles::NodePtr> PowerCutFiles::find_existing(const std::string& path) {
  if (off_) return off();
  const Result<Place> place = find(path);
  if (!place) return place.error();
  if (!place->node) return Error(Errc::not_found, path);
  return place->node;
}

void PowerCutFiles::apply(Changes changes) {
  for (const Change& change : changes) {
    if (change.target) {
      change.folder->names[change.name] = change.target;
    } else {
      change.folder->names.erase(change.name);
    }
  }
  unsynced_names_.push_back(std::move(changes));
}

Result<FileId> PowerCutFiles::open(const std::string& path, FileOpen how) {
  const std::lock_guard lock(mutex_);
  if (off_) return off();
  const bool is_direct = how == FileOpen::direct;
  if (is_direct && !opens_direct_) return Error(Errc::unsupported, path);
  Result<Place> place = find(path);
  if (!place) return place.error();
  if (place->node && how == FileOpen::create_new) return Error(Errc::already_exists, path);
  if (!place->node) {
    if (how != FileOpen::create && how != FileOpen::create_new) return Error(Errc::not_found, path);
    if (const auto error = begin_change("open")) return *error;
    place->node = make_node(false);
    apply({Change{place->folder, place->name, place->node}});
  }
  open_[next_file_] = Open{place->node, is_direct};
  return next_file_++;
}

void PowerCutFiles::close(FileId file) noexcept {
  const std::lock_guard lock(mutex_);
  const NodePtr node = open_.at(file).node;
  if (node->locked_by == file) node->locked_by = -1;
  open_.erase(file);
}

Result<size_t> PowerCutFiles::write_at(FileId file, std::span<const iovec> parts, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const bool was_on = !off_;
  const std::optional<Error> error = begin_change("write");
  if (!was_on) return *error;
  if (fail_writes_) return Error(Errc::disk_error, "injected into write");
  std::string bytes;
  for (const iovec& part : parts)
    bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
  if (operations_ > short_from_ && short_left_ > 0 && bytes.size() > 1) {
    --short_left_;
    bytes.resize(1 + random_.below(bytes.size() - 1));
  }
  if (open_.at(file).is_direct) GODWIT_ASSERT(offset % kDirectAlignment == 0);
  // A write that fails may have done a part of its work.
  if (error) bytes.resize(random_.below(bytes.size() + 1));
  Node& node = *open_.at(file).node;
  if (offset + bytes.size() > node.seen.size()) {
    const uint64_t growth = offset + bytes.size() - node.seen.size();
    if (used_ + growth > capacity_) return Error(Errc::disk_full, "write");
    used_ += growth;
    node.seen.resize(offset + bytes.size(), '\0');
  }
  node.seen.replace(offset, bytes.size(), bytes);
  for (uint64_t at = offset / kSector; at * kSector < offset + bytes.size(); ++at) {
    node.dirty.insert(at);
  }
  if (error) return *error;
  return bytes.size();
}

Result<size_t> PowerCutFiles::read_at(FileId file, std::span<char> into, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (off_) return off();
  const Node& node = *open_.at(file).node;
  if (offset >= node.seen.size()) return size_t{0};
  return node.seen.copy(into.data(), into.size(), offset);
}

void PowerCutFiles::write_back(Node& node, uint64_t from, uint64_t to, bool fails) {
  node.durable.resize(node.seen.size(), '\0');
  auto sector = node.dirty.lower_bound(from / kSector);
  while (sector != node.dirty.end() && *sector * kSector < to) {
    const uint64_t at = *sector * kSector;
    // A kernel marks pages clean after a failed write-back too.
    sector = node.dirty.erase(sector);
    if (at >= node.seen.size() || (fails && random_.below(2) == 0)) continue;
    const uint64_t bytes = std::min<uint64_t>(kSector, node.seen.size() - at);
    node.durable.replace(at, bytes, node.seen, at, bytes);
  }
}

// Two operations, so that a test can cut the power between what is written and the last of it on
// disk.
Result<void> PowerCutFiles::write_synced(FileId file, std::string_view bytes, uint64_t offset) {
  {
    const std::lock_guard lock(mutex_);
    GODWIT_ASSERT(open_.at(file).is_direct);
    GODWIT_ASSERT(bytes.size() % kDirectAlignment == 0);
    GODWIT_ASSERT(reinterpret_cast<uintptr_t>(bytes.data()) % kDirectAlignment == 0);
    if (!writes_direct_) return Error(Errc::unsupported, "direct writes");
  }
  const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  const Result<size_t> written = write_at(file, std::span(&part, 1), offset);
  if (!written) return written.error();
  if (*written < bytes.size()) return Error(Errc::disk_error, "a direct write was short");
  const std::lock_guard lock(mutex_);
  const std::optional<Error> error = begin_change("write past the cache");
  if (off_) return off();
  const bool fails = error || fail_syncs_;
  write_back(*open_.at(file).node, offset, offset + bytes.size(), fails);
  if (error) return *error;
  if (fails) return Error(Errc::disk_error, "injected into write past the cache");
  return {};
}

Result<void> PowerCutFiles::sync_data(FileId file) {
  const std::lock_guard lock(mutex_);
  const std::optional<Error> error = begin_change("fdatasync");
  if (off_) return off();
  Node& node = *open_.at(file).node;
  const bool fails = error || fail_syncs_;
  write_back(node, 0, node.seen.size(), fails);
  if (error) return *error;
  if (fails) return Error(Errc::disk_error, "injected into fdatasync");
  return {};
}

Result<void> PowerCutFiles::allocate(FileId file, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (const auto error = begin_change("fallocate")) return *error;
  Node& node = *open_.at(file).node;
  if (bytes <= node.seen.size()) return {};
  const uint64_t growth = bytes - node.seen.size();
  if (used_ + growth > capacity_) return Error(Errc::disk_full, "fallocate");
  used_ += growth;
  node.seen.resize(bytes, '\0');
  return {};
}

Result<void> PowerCutFiles::lock(FileId file) {
  const std::lock_guard lock(mutex_);
  if (off_) return off();
  Node& node = *open_.at(file).node;
  if (node.locked_by != -1 && node.locked_by != file) return Error(Errc::locked, "flock");
  node.locked_by = file;
  return {};
}

Result<FileStat> PowerCutFiles::stat(FileId file) {
  const std::lock_guard lock(mutex_);
  if (off_) return off();
  const Node& node = *open_.at(file).node;
  return FileStat{node.seen.size(), node.inode, node.is_folder};
}

Result<FileStat> PowerCutFiles::stat(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const Result<NodePtr> node = find_existing(path);
  if (!node) return node.error();
  return FileStat{(*node)->seen.size(), (*node)->inode, (*node)->is_folder};
}

Result<void> PowerCutFiles::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (const auto error = begin_change("rename")) return *error;
  const Result<Place> source = find(from);
  const Result<Place> target = find(to);
  if (!source) return source.error();
  if (!target) return target.error();
  if (!source->node || !target->folder) return Error(Errc::not_found, from);
  apply({Change{source->folder, source->name, nullptr},
         Change{target->folder, target->name, source->node}});
  return {};
}

Result<void> PowerCutFiles::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const auto error = begin_change("unlink")) return *error;
  const Result<Place> place = find(path);
  if (!place) return place.error();
  if (!place->node) return Error(Errc::not_found, path);
  used_ -= std::min<uint64_t>(used_, place->node->seen.size());
  apply({Change{place->folder, place->name, nullptr}});
  return {};
}

Result<void> PowerCutFiles::make_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (off_) return off();
  const Result<Place> place = find(path);
  if (!place) return place.error();
  if (place->node) return Error(Errc::already_exists, path);
  if (const auto error = begin_change("mkdir")) return *error;
  apply({Change{place->folder, place->name, make_node(true)}});
  return {};
}

Result<void> PowerCutFiles::remove_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const auto error = begin_change("rmdir")) return *error;
  const Result<Place> place = find(path);
  if (!place) return place.error();
  if (!place->node) return Error(Errc::not_found, path);
  if (!place->node->names.empty()) return Error(Errc::unknown_io, path + ": not empty");
  apply({Change{place->folder, place->name, nullptr}});
  return {};
}

Result<std::vector<std::string>> PowerCutFiles::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const Result<NodePtr> node = find_existing(path);
  if (!node) return node.error();
  std::vector<std::string> names;
  for (const auto& [name, inner] : (*node)->names) names.push_back(name);
  return names;
}

Result<void> PowerCutFiles::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const auto error = begin_change("fsync")) return *error;
  const Result<NodePtr> folder = find_existing(path);
  if (!folder) return folder.error();
  // This folder's changes, and those of others that they cannot be without.
  std::set<Node*> folders{folder->get()};
  std::vector<bool> durable(unsynced_names_.size());
  for (size_t i = unsynced_names_.size(); i-- > 0;) {
    for (const Change& change : unsynced_names_[i]) {
      if (folders.contains(change.folder.get())) durable[i] = true;
    }
    if (!durable[i]) continue;
    for (const Change& change : unsynced_names_[i]) folders.insert(change.folder.get());
  }
  std::vector<Changes> rest;
  for (size_t i = 0; i < unsynced_names_.size(); ++i) {
    if (!durable[i]) {
      rest.push_back(std::move(unsynced_names_[i]));
      continue;
    }
    for (const Change& change : unsynced_names_[i]) {
      if (change.target) {
        change.folder->durable_names[change.name] = change.target;
      } else {
        change.folder->durable_names.erase(change.name);
      }
    }
  }
  unsynced_names_ = std::move(rest);
  return {};
}

Result<DiskSpace> PowerCutFiles::space(const std::string&) {
  const std::lock_guard lock(mutex_);
  if (off_) return off();
  return DiskSpace{capacity_ - std::min(capacity_, used_), capacity_};
}

void PowerCutFiles::write_file(const std::string& path, std::string content) {
  const std::lock_guard lock(mutex_);
  Result<Place> place = find(path);
  GODWIT_ASSERT(place.has_value() && place->folder);
  if (!place->node) place->node = make_node(false);
  place->folder->names[place->name] = place->node;
  place->folder->durable_names[place->name] = place->node;
  place->node->seen = place->node->durable = std::move(content);
  place->node->dirty.clear();
}

Result<std::string> PowerCutFiles::read_file(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const Result<NodePtr> node = find_existing(path);
  if (!node) return node.error();
  return (*node)->seen;
}

void PowerCutFiles::flip_byte(const std::string& path, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const Result<NodePtr> node = find_existing(path);
  GODWIT_ASSERT(node.has_value() && offset < (*node)->seen.size());
  Node& file = **node;
  file.seen[offset] = static_cast<char>(file.seen[offset] ^ 0x5a);
  file.durable = file.seen;
}

}  // namespace godwit::test
