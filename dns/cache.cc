#include "dns/cache.h"

#include <iterator>

namespace godwit::dns {
namespace {

// List node, hash node and bucket.
constexpr size_t kEntryOverheadBytes = 128;

size_t bytes_of(const Record& record) {
  size_t bytes = sizeof record;
  if (const auto* txt = record.as<Txt>()) {
    for (const std::string& string : txt->strings) bytes += sizeof string + string.size();
  } else if (const auto* name = record.as<HostName>()) {
    bytes += name->name.size();
  } else if (const auto* mx = record.as<Mx>()) {
    bytes += mx->exchange.size();
  } else if (const auto* srv = record.as<Srv>()) {
    bytes += srv->target.size();
  } else if (const auto* tlsa = record.as<Tlsa>()) {
    bytes += tlsa->data.size();
  } else if (const auto* soa = record.as<Soa>()) {
    bytes += soa->primary.size() + soa->mailbox.size();
  } else if (const auto* raw = record.as<RawData>()) {
    bytes += raw->octets.size();
  }
  return bytes;
}

size_t bytes_of(std::string_view key, const Result<Finding>& finding) {
  size_t bytes = sizeof(Cache::Entry) + kEntryOverheadBytes + key.size();
  if (!finding) return bytes + finding.error().detail().size();
  bytes += finding->answer.name.size();
  for (const Record& record : finding->answer.records) bytes += bytes_of(record);
  return bytes;
}

}  // namespace

const Cache::Entry* Cache::find(std::string_view key, Instant now) {
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  const auto entry = found->second;
  if (entry->until <= now) {
    drop(entry);
    return nullptr;
  }
  if (entry != entries_.begin()) entries_.splice(entries_.begin(), entries_, entry);
  return &*entry;
}

void Cache::put(std::string key, Result<Finding> finding, Instant until) {
  const auto known = index_.find(key);
  if (known != index_.end()) drop(known->second);
  const size_t bytes = bytes_of(key, finding);
  if (bytes > bytes_max_ || entries_max_ == 0) return;
  while (entries_.size() >= entries_max_ || bytes_ + bytes > bytes_max_)
    drop(std::prev(entries_.end()));
  entries_.push_front(Entry{std::move(key), std::move(finding), until, bytes});
  index_.emplace(entries_.front().key, entries_.begin());
  bytes_ += bytes;
}

void Cache::clear() {
  index_.clear();
  entries_.clear();
  bytes_ = 0;
}

void Cache::drop(std::list<Entry>::iterator entry) {
  bytes_ -= entry->bytes;
  index_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace godwit::dns
