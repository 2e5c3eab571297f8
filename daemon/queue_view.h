// QueueView: the messages of a spool as its files say, for the commands that list a queue or show a
// message. Takes no lock, and shows a state that each shard had. Every call blocks.
#pragma once

#include "core/io/files.h"
#include "core/spool/shard_reader.h"
#include "delivery/queue/entry.h"
#include "protocol/message/message_id.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace godwit::daemon {

struct ListedMessage {
  spool::MessageRef ref;
  uint64_t bytes = 0;
  WallTime received;
  delivery::QueueEntry entry;  // changes applied
};
using ListedMessages = std::map<message::MessageId, ListedMessage>;

// The folders of a spool's shards, in order; none where it cannot be read.
std::vector<std::string> shard_names(Files& files, const std::string& spool_directory);

class QueueView {
 public:
  struct Shard {
    std::string name;  // one that is being taken over has the name of its new owner
    spool::ShardReader reader;
    ListedMessages messages;
  };
  // Null where there is no such message.
  using Found = std::pair<Shard*, ListedMessage*>;

  // `files` outlives the view.
  QueueView(Files& files, const std::string& spool_directory)
      : files_(files), spool_directory_(spool_directory) {}

  // Errors: permission_denied, where some of the spool must not be read.
  Result<void> read_all();
  // Reads one shard after the other until the message is there, and of them no other message;
  // `likely`, where it is not empty, names the shard to begin with.
  Found look_for(const message::MessageId& id, const std::string& likely);
  const std::vector<std::unique_ptr<Shard>>& shards() const noexcept { return shards_; }

 private:
  Found find(const message::MessageId& id) const;
  void add(const std::string& name, std::string folder, const message::MessageId* only);

  Files& files_;
  std::string spool_directory_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::optional<Error> refusal_;
};

}  // namespace godwit::daemon
