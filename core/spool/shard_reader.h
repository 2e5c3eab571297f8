// ShardReader: looks into a shard that another process may be writing; takes no lock and changes
// nothing. For the commands that list a queue or show a message. Every call blocks.
// What it shows is a state that the shard had; messages may have come and gone since.
#pragma once

#include "core/base/result.h"
#include "core/io/files.h"
#include "core/spool/message.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace godwit::spool {

class ShardImage;
struct LoadedMessage;

class ShardReader {
 public:
  static Result<ShardReader> open(Files& files, std::string dir);
  ShardReader(ShardReader&&) noexcept;
  ShardReader& operator=(ShardReader&&) noexcept;
  ~ShardReader();

  // Tells every message that lives, or of them the one with the key `only`. Errc::locked where the
  // shard changed faster than it could be read; try again.
  Result<void> replay(RecoverySink& sink, const std::optional<MessageKey>& only = {});
  // Folders of shards that it was taking over, below its own: they have messages too, some of them
  // in the shard already.
  std::vector<std::string> adopted() const;
  // For refs of the last replay. Errc::not_found where the message has gone since.
  Result<std::string> read_envelope(MessageRef ref);
  Result<std::string> read_headers(MessageRef ref);
  Result<size_t> read_body(MessageRef ref, uint64_t offset, std::span<char> into);

 private:
  ShardReader(Files& files, std::string dir);
  Result<LoadedMessage> find(MessageRef ref) const;
  const File& file_of(MessageRef ref) const;

  Files* files_;
  std::string dir_;
  std::unique_ptr<ShardImage> image_;
};

}  // namespace godwit::spool
