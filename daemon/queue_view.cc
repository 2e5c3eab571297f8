#include "daemon/queue_view.h"

#include "delivery/queue/message_key.h"

#include <algorithm>
#include <cstdio>
#include <optional>

namespace godwit::daemon {
namespace {

class Listing final : public spool::RecoverySink {
 public:
  explicit Listing(ListedMessages& messages) : messages_(messages) {}

  void on_message(spool::MessageRef ref, spool::MessageKey key, uint64_t, uint64_t header_bytes,
                  uint64_t body_bytes, WallTime received) override {
    ListedMessage& listed = messages_[delivery::id_of(key)];
    listed.ref = ref;
    listed.bytes = header_bytes + 2 + body_bytes;
    listed.received = received;
  }
  void on_update(spool::MessageRef, spool::MessageKey key, std::string_view payload) override {
    const auto found = messages_.find(delivery::id_of(key));
    if (found != messages_.end()) (void)delivery::apply_change(found->second.entry, payload);
  }
  void on_damage(std::string_view) override {}  // a shard that is being written has a moving tail

 private:
  ListedMessages& messages_;
};

}  // namespace

std::vector<std::string> shard_names(Files& files, const std::string& spool_directory) {
  Result<std::vector<std::string>> names = files.list(spool_directory + "/shards");
  if (!names) return {};
  std::sort(names->begin(), names->end());
  return std::move(*names);
}

Result<void> QueueView::read_all() {
  const Result<std::vector<std::string>> names = files_.list(spool_directory_ + "/shards");
  // No folder: nothing was ever put into this spool.
  if (!names && names.error().code() != Errc::not_found) return names.error();
  for (const std::string& name : shard_names(files_, spool_directory_))
    add(name, spool_directory_ + "/shards/" + name, nullptr);
  if (refusal_) return *refusal_;
  return {};
}

QueueView::Found QueueView::look_for(const message::MessageId& id, const std::string& likely) {
  std::vector<std::string> order = shard_names(files_, spool_directory_);
  std::stable_partition(order.begin(), order.end(),
                        [&](const std::string& name) { return name == likely; });
  for (const std::string& name : order) {
    add(name, spool_directory_ + "/shards/" + name, &id);
    const Found found = find(id);
    if (found.first != nullptr) return found;
  }
  return {nullptr, nullptr};
}

// The shard of that folder, and those that it is taking over.
void QueueView::add(const std::string& name, std::string folder, const message::MessageId* only) {
  Result<spool::ShardReader> reader = spool::ShardReader::open(files_, std::move(folder));
  if (!reader) {
    // Any other reason is that it has just gone.
    if (reader.error().code() == Errc::permission_denied) refusal_ = reader.error();
    return;
  }
  auto shard = std::make_unique<Shard>(Shard{name, std::move(*reader), {}});
  Listing listing(shard->messages);
  std::optional<spool::MessageKey> key;
  if (only != nullptr) key = delivery::key_of(*only);
  const Result<void> read = shard->reader.replay(listing, key);
  if (!read && read.error().code() != Errc::not_found) {
    std::fprintf(stderr, "godwit: shard %s: %s\n", name.c_str(), read.error().to_string().c_str());
  }
  if (!read) return;
  // A message on its way from one shard to the other is shown once.
  std::erase_if(shard->messages,
                [this](const auto& listed) { return find(listed.first).second != nullptr; });
  const std::vector<std::string> inner = shard->reader.adopted();
  shards_.push_back(std::move(shard));
  for (const std::string& path : inner) add(name, path, only);
}

QueueView::Found QueueView::find(const message::MessageId& id) const {
  for (const std::unique_ptr<Shard>& shard : shards_) {
    const auto found = shard->messages.find(id);
    if (found != shard->messages.end()) return {shard.get(), &found->second};
  }
  return {nullptr, nullptr};
}

}  // namespace godwit::daemon
