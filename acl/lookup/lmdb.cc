#include "acl/lookup/lmdb.h"

#include "acl/lookup/finders.h"
#include "acl/lookup/limits.h"
#include "acl/lookup/parts.h"
#include "core/io/clock.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace godwit::acl {
namespace {

constexpr uint32_t kMagic = 0xBEEFC0DE;
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 16;
constexpr size_t kNodeBytes = 8;
constexpr size_t kMetaBytes = 136;
constexpr size_t kPageBytesMin = 256;
constexpr size_t kPageBytesMax = 32768;
constexpr uint64_t kNoPage = ~uint64_t{0};
// Of a page.
constexpr uint16_t kBranch = 0x01;
constexpr uint16_t kLeaf = 0x02;
constexpr uint16_t kOverflow = 0x04;
constexpr uint16_t kLeaf2 = 0x20;  // values of one size, without nodes
// Of a node.
constexpr uint16_t kBigData = 0x01;
constexpr uint16_t kSubTree = 0x02;
constexpr uint16_t kDuplicates = 0x04;
// Of a database.
constexpr uint16_t kReverseKey = 0x02;
constexpr uint16_t kIntegerKey = 0x08;

template <class T>
T load(const char* bytes) noexcept {
  static_assert(std::endian::native == std::endian::little, "files are of the host's byte order");
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

int compare_keys(std::string_view a, std::string_view b, bool reverse) noexcept {
  if (!reverse) return a.compare(b);
  const size_t common = std::min(a.size(), b.size());
  for (size_t i = 1; i <= common; ++i) {
    const int difference =
        static_cast<uint8_t>(a[a.size() - i]) - static_cast<uint8_t>(b[b.size() - i]);
    if (difference != 0) return difference;
  }
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

}  // namespace

bool Lmdb::renew(const FileStamp& stamp) {
  if (!stamp.is_same_file(stamp_)) return false;
  if (stamp != stamp_ || !stamp.is_settled(SystemClock().wall())) pages_.clear();
  stamp_ = stamp;
  return true;
}

// The walk goes by the snapshot of the lookup before; reading the meta pages after it tells if that
// was right. Transactions only count up: where the snapshot still is the latest, it was all along,
// and so none of its pages was used again meanwhile.
DatabaseStatus Lmdb::get(std::string_view key, bool may_wait, std::string& value,
                         std::string& problem) {
  for (int retry = 0; retry < kLmdbRetriesMax; ++retry) {
    Walk walk{may_wait, DatabaseStatus::found, &problem};
    if (page_bytes_ == 0) {
      pages_.clear();
      if (!read_snapshot(walk, snapshot_)) return walk.status;
    }
    value.clear();
    attempt(walk, key, value);
    if (walk.status == DatabaseStatus::would_wait) return walk.status;
    const DatabaseStatus status = walk.status;
    std::string no_problem;
    Walk check{may_wait, DatabaseStatus::found, &no_problem};
    Snapshot after;
    if (!read_snapshot(check, after)) {
      problem = no_problem;
      return check.status;
    }
    if (after == snapshot_) return status;
    pages_.clear();
    snapshot_ = after;
  }
  problem = "it changes too fast to be read";
  return DatabaseStatus::failed;
}

bool Lmdb::fail(Walk& walk, std::string_view problem) const {
  walk.status = DatabaseStatus::failed;
  *walk.problem = problem;
  return false;
}

bool Lmdb::read(Walk& walk, uint64_t offset, std::span<char> into) const {
  switch (file_->read(offset, into, walk.may_wait)) {
    case ReadStatus::complete:
      return true;
    case ReadStatus::would_wait:
      walk.status = DatabaseStatus::would_wait;
      return false;
    case ReadStatus::ends:
      return fail(walk, "the file is damaged or cut off");
    case ReadStatus::failed:
      return fail(walk, "the file cannot be read");
  }
  return false;
}

Lmdb::Tree Lmdb::read_tree(const char* bytes) noexcept {
  return {load<uint16_t>(bytes + 4), load<uint64_t>(bytes + 40)};
}

// The first meta page says how big pages are, the one with the later transaction all the rest.
bool Lmdb::read_page_size(Walk& walk) {
  std::array<char, kHeaderBytes + kMetaBytes> first;
  if (!read(walk, 0, first)) {
    if (walk.status == DatabaseStatus::failed) *walk.problem = "not an LMDB database";
    return false;
  }
  const char* const meta = first.data() + kHeaderBytes;
  if (load<uint32_t>(meta) != kMagic) return fail(walk, "not an LMDB database");
  if (load<uint32_t>(meta + 4) != kVersion) return fail(walk, "of another version of LMDB");
  const size_t bytes = load<uint32_t>(meta + 24);
  if (bytes < kPageBytesMin || bytes > kPageBytesMax || !std::has_single_bit(bytes))
    return fail(walk, "not an LMDB database");
  page_bytes_ = bytes;
  scratch_ = std::make_unique<char[]>(bytes);
  metas_ = std::make_unique<char[]>(bytes + kHeaderBytes + kMetaBytes);
  return true;
}

bool Lmdb::read_snapshot(Walk& walk, Snapshot& snapshot) {
  if (page_bytes_ == 0 && !read_page_size(walk)) return false;
  if (!read(walk, 0, std::span(metas_.get(), page_bytes_ + kHeaderBytes + kMetaBytes)))
    return false;
  const char* const first = metas_.get() + kHeaderBytes;
  const char* const second = first + page_bytes_;
  // An offset of 128 is mm_txnid; the databases are at 24 (free pages) and 72 (the unnamed one).
  constexpr size_t kTransactionAt = 128;
  const bool later =
      load<uint64_t>(second + kTransactionAt) > load<uint64_t>(first + kTransactionAt);
  const char* const meta = later ? second : first;
  if (load<uint32_t>(meta) != kMagic) return fail(walk, "not an LMDB database");
  if (load<uint32_t>(first + 24) != page_bytes_) {
    page_bytes_ = 0;
    return fail(walk, "the file was written anew");
  }
  snapshot.transaction = load<uint64_t>(meta + kTransactionAt);
  snapshot.last_page = load<uint64_t>(meta + 120);
  snapshot.tree = read_tree(meta + 24 + kDatabaseBytes);
  return true;
}

bool Lmdb::load_page(Walk& walk, uint64_t number, Page& page) {
  if (number > snapshot_.last_page || number > static_cast<uint64_t>(INT64_MAX) / page_bytes_)
    return fail(walk, "the file is damaged");
  const auto kept = pages_.find(number);
  if (kept != pages_.end())
    return open_page(walk, std::span<const char>(kept->second.get(), page_bytes_), page);
  std::unique_ptr<char[]> fresh;
  char* bytes = scratch_.get();
  if (pages_.size() < kLmdbCachedPagesMax) {
    fresh = std::make_unique<char[]>(page_bytes_);
    bytes = fresh.get();
  }
  if (!read(walk, number * page_bytes_, std::span(bytes, page_bytes_))) return false;
  if (fresh != nullptr) pages_.emplace(number, std::move(fresh));
  return open_page(walk, std::span<const char>(bytes, page_bytes_), page);
}

bool Lmdb::open_page(Walk& walk, std::span<const char> bytes, Page& page) const {
  if (bytes.size() < kHeaderBytes) return fail(walk, "the file is damaged");
  page.bytes = bytes;
  page.flags = load<uint16_t>(bytes.data() + 10);
  const size_t lower = load<uint16_t>(bytes.data() + 12);
  if (lower < kHeaderBytes || lower > bytes.size()) return fail(walk, "the file is damaged");
  page.nodes = (lower - kHeaderBytes) / 2;
  return true;
}

bool Lmdb::node_at(Walk& walk, const Page& page, size_t index, Node& node) const {
  const size_t at = load<uint16_t>(page.bytes.data() + kHeaderBytes + 2 * index);
  if (at + kNodeBytes > page.bytes.size()) return fail(walk, "the file is damaged");
  const char* const bytes = page.bytes.data() + at;
  const size_t room = page.bytes.size() - at - kNodeBytes;
  const size_t key_bytes = load<uint16_t>(bytes + 6);
  if (key_bytes > room) return fail(walk, "the file is damaged");
  node.value_bytes = load<uint32_t>(bytes);
  node.flags = load<uint16_t>(bytes + 4);
  node.child = node.value_bytes | uint64_t{node.flags} << 32;
  node.key = std::string_view(bytes + kNodeBytes, key_bytes);
  node.rest = std::string_view(bytes + kNodeBytes + key_bytes, room - key_bytes);
  return true;
}

bool Lmdb::descend(Walk& walk, const Tree& tree, const std::string_view* key, Page& leaf) {
  uint64_t number = tree.root;
  const bool reverse = (tree.flags & kReverseKey) != 0;
  for (int depth = 0; depth < kLmdbDepthMax; ++depth) {
    if (!load_page(walk, number, leaf)) return false;
    if ((leaf.flags & kLeaf) != 0) return true;
    if ((leaf.flags & kBranch) == 0 || leaf.nodes == 0) return fail(walk, "the file is damaged");
    // The last child whose key is not over the wanted one; the first child's key counts as lowest.
    size_t low = 0;
    size_t high = key == nullptr ? 1 : leaf.nodes;
    Node node;
    while (high - low > 1) {
      const size_t middle = low + (high - low) / 2;
      if (!node_at(walk, leaf, middle, node)) return false;
      (compare_keys(node.key, *key, reverse) <= 0 ? low : high) = middle;
    }
    if (!node_at(walk, leaf, low, node)) return false;
    number = node.child;
  }
  return fail(walk, "the file is damaged");
}

bool Lmdb::find_in_leaf(Walk& walk, const Tree& tree, const Page& leaf, std::string_view key,
                        Node& node) const {
  if ((leaf.flags & kLeaf2) != 0) return fail(walk, "the file is damaged");
  const bool reverse = (tree.flags & kReverseKey) != 0;
  size_t low = 0;
  size_t high = leaf.nodes;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (!node_at(walk, leaf, middle, node)) return false;
    const int order = compare_keys(node.key, key, reverse);
    if (order == 0) return true;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  walk.status = DatabaseStatus::missing;
  return false;
}

void Lmdb::attempt(Walk& walk, std::string_view key, std::string& value) {
  const Tree tree = snapshot_.tree;
  if ((tree.flags & kIntegerKey) != 0) {
    fail(walk, "its keys are numbers");
    return;
  }
  if (tree.root == kNoPage) {
    walk.status = DatabaseStatus::missing;
    return;
  }
  Page leaf;
  Node node;
  if (!descend(walk, tree, &key, leaf)) return;
  if (!find_in_leaf(walk, tree, leaf, key, node)) return;
  if ((node.flags & kDuplicates) != 0) {
    take_first_of_several(walk, node, value);
  } else if ((node.flags & kSubTree) != 0) {
    walk.status = DatabaseStatus::missing;  // a named database is no value
  } else {
    take_value(walk, node, value);
  }
}

bool Lmdb::take_value(Walk& walk, const Node& node, std::string& value) {
  if (node.value_bytes > kAnswerBytesMax) return fail(walk, "the value is too long");
  if ((node.flags & kBigData) == 0) {
    if (node.value_bytes > node.rest.size()) return fail(walk, "the file is damaged");
    value.assign(node.rest.substr(0, node.value_bytes));
    return true;
  }
  if (node.rest.size() < sizeof(uint64_t)) return fail(walk, "the file is damaged");
  const auto number = load<uint64_t>(node.rest.data());
  if (number > snapshot_.last_page || number > static_cast<uint64_t>(INT64_MAX) / page_bytes_)
    return fail(walk, "the file is damaged");
  std::string bytes(kHeaderBytes + node.value_bytes, '\0');
  if (!read(walk, number * page_bytes_, bytes)) return false;
  if ((load<uint16_t>(bytes.data() + 10) & kOverflow) == 0)
    return fail(walk, "the file is damaged");
  value.assign(bytes, kHeaderBytes);
  return true;
}

// Several values of one key: a page inside the node, or a tree of their own.
bool Lmdb::take_first_of_several(Walk& walk, const Node& node, std::string& value) {
  Page page;
  if (node.value_bytes > node.rest.size()) return fail(walk, "the file is damaged");
  if ((node.flags & kSubTree) == 0) {
    if (!open_page(walk, std::span(node.rest.data(), node.value_bytes), page)) return false;
    return take_first_of_page(walk, page, value);
  }
  if (node.value_bytes < kDatabaseBytes) return fail(walk, "the file is damaged");
  const Tree tree = read_tree(node.rest.data());
  if (!descend(walk, tree, nullptr, page)) return false;
  return take_first_of_page(walk, page, value);
}

bool Lmdb::take_first_of_page(Walk& walk, const Page& page, std::string& value) {
  if (page.nodes == 0) return fail(walk, "the file is damaged");
  if ((page.flags & kLeaf2) != 0) {
    const size_t bytes = load<uint16_t>(page.bytes.data() + 8);
    if (bytes > page.bytes.size() - kHeaderBytes) return fail(walk, "the file is damaged");
    value.assign(page.bytes.data() + kHeaderBytes, bytes);
    return true;
  }
  Node node;
  if (!node_at(walk, page, 0, node)) return false;
  value.assign(node.key);
  return true;
}

Result<LookupFound> find_lmdb(LookupParts& parts, const LookupCall& call) {
  int errno_value = 0;
  const std::shared_ptr<Lmdb> database = parts.lmdbs.get(call.file, errno_value);
  if (database == nullptr) {
    return deferred("LMDB: Unable to open environment with " + std::string(call.file) + ": " +
                    std::strerror(errno_value));
  }
  return ask_database(parts, call, database, "LMDB: lookup error: ");
}

}  // namespace godwit::acl
