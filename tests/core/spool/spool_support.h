// What the tests of the store share: a sink that keeps what it is told, short ways to record.
#pragma once

#include "core/spool/shard_reader.h"
#include "core/spool/store.h"
#include "tests/support/power_cut_files.h"
#include "tests/support/run_task.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace godwit::spool::test {

using godwit::test::PowerCutFiles;
using godwit::test::run_task;

// What a file system says to FileOpen::direct.
enum class DirectWrites { none, work, refused };
inline constexpr DirectWrites kAllDirectWrites[] = {DirectWrites::none, DirectWrites::work,
                                                    DirectWrites::refused};

inline void allow_direct(PowerCutFiles& files, DirectWrites how) {
  files.allow_direct(how != DirectWrites::none, how == DirectWrites::work);
}
inline std::string direct_name(const testing::TestParamInfo<DirectWrites>& info) {
  constexpr const char* kNames[] = {"Cached", "Direct", "DirectRefused"};
  return kNames[static_cast<size_t>(info.param)];
}

struct Told {
  MessageRef ref;
  uint64_t envelope_bytes = 0;
  uint64_t header_bytes = 0;
  uint64_t body_bytes = 0;
  WallTime received;
  std::vector<std::string> updates;
};

class KeepingSink final : public RecoverySink {
 public:
  void on_message(MessageRef ref, MessageKey key, uint64_t envelope_bytes, uint64_t header_bytes,
                  uint64_t body_bytes, WallTime received) override {
    if (messages.contains(key)) ++doubled;
    messages[key] = {ref, envelope_bytes, header_bytes, body_bytes, received, {}};
  }
  void on_update(MessageRef ref, MessageKey key, std::string_view payload) override {
    if (!messages.contains(key) || messages[key].ref != ref) ++strays;
    messages[key].updates.emplace_back(payload);
  }
  void on_damage(std::string_view text) override { damage.emplace_back(text); }

  std::map<MessageKey, Told> messages;
  std::vector<std::string> damage;
  int doubled = 0;
  int strays = 0;  // updates before or without their message
};

inline StoreOptions small_options() {
  StoreOptions options;
  options.segment_bytes = 16 * 1024;
  options.first_segment_bytes = 16 * 1024;
  options.large_body_bytes = 4 * 1024;
  options.spare_segments = 2;
  options.compact_live_percent = 50;
  options.compact_age_segments = 1;
  return options;
}

inline std::string text_of(uint64_t seed, size_t bytes) {
  std::string text;
  uint64_t word = seed * 0x9e3779b97f4a7c15u + 1;
  while (text.size() < bytes) {
    word ^= word << 13;
    word ^= word >> 7;
    word ^= word << 17;
    text += std::to_string(word) + "\r\n";
  }
  text.resize(bytes);
  return text;
}

inline Task<Result<StoredMessage>> store_message(Store& store, MessageKey key, std::string envelope,
                                                 std::string headers, std::string body) {
  const std::unique_ptr<MessageWriter> writer = store.begin(key);
  const std::string_view whole = body;
  co_await ok(writer->append(whole.substr(0, body.size() / 2)));
  co_await ok(writer->append(whole.substr(body.size() / 2)));
  co_return co_await writer->commit(std::move(envelope), std::move(headers));
}

inline Task<Result<std::string>> read_whole_body(Store& store, MessageRef ref) {
  std::string body;
  std::string page(1000, '\0');
  for (;;) {
    const size_t got = co_await ok(store.read_body(ref, body.size(), page));
    if (got == 0) break;
    body.append(page, 0, got);
  }
  co_return body;
}

}  // namespace godwit::spool::test
