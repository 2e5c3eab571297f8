#include "daemon/queue_view.h"

#include "delivery/queue/message_key.h"
#include "tests/core/spool/spool_support.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace godwit::daemon {
namespace {

using spool::test::PowerCutFiles;
using spool::test::run_task;

class FilesThatTell final : public PowerCutFiles {
 public:
  using PowerCutFiles::PowerCutFiles;
  Result<FileId> open(const std::string& path, FileOpen how) override {
    opened.push_back(path);
    return PowerCutFiles::open(path, how);
  }
  std::vector<std::string> opened;
};

// Three shards with three messages each: number 10 is the first of w1.
class QueueViewTest : public testing::Test {
 protected:
  QueueViewTest() {
    EXPECT_TRUE(files_.make_directory("/spool"));
    EXPECT_TRUE(files_.make_directory("/spool/shards"));
    for (uint64_t shard = 0; shard < 3; ++shard) fill(shard);
    files_.opened.clear();
  }

  static message::MessageId id_of(uint64_t number) {
    return message::MessageId::make(1'795'235'400, number, 1);
  }
  void fill(uint64_t shard) {
    spool::test::KeepingSink sink;
    auto store =
        run_task(loop_, spool::Store::open(loop_, files_, "/spool/shards/w" + std::to_string(shard),
                                           spool::test::small_options(), sink));
    ASSERT_TRUE(store);
    for (uint64_t number = shard * 10; number < shard * 10 + 3; ++number) {
      const auto stored = run_task(
          loop_, spool::test::store_message(**store, delivery::key_of(id_of(number)), "envelope",
                                            "Subject: " + std::to_string(number), "body"));
      ASSERT_TRUE(stored);
    }
    const auto closing = [](spool::Store& open_store) -> Task<bool> {
      co_await open_store.close();
      co_return true;
    };
    EXPECT_TRUE(run_task(loop_, closing(**store)));
  }
  // The shard that has it, its header section, and the shards that were read: "w1: Subject: 10 (w0
  // w1)".
  std::string look_for(uint64_t number, const std::string& likely) {
    files_.opened.clear();
    QueueView view(files_, "/spool");
    const auto [shard, listed] = view.look_for(id_of(number), likely);
    std::string out = "none";
    if (shard != nullptr)
      out = shard->name + ": " + shard->reader.read_headers(listed->ref).value_or("?");
    std::string read;
    for (const char* name : {"w0", "w1", "w2"}) {
      const bool was_read = std::ranges::any_of(files_.opened, [&](const std::string& path) {
        return path.starts_with(std::string("/spool/shards/") + name + "/");
      });
      if (was_read) read += (read.empty() ? "" : " ") + std::string(name);
    }
    for (const auto& each : view.shards()) EXPECT_LE(each->messages.size(), 1u);
    return out + " (" + read + ")";
  }

  FilesThatTell files_{1};
  Loop loop_;
};

TEST_F(QueueViewTest, ReadsTheLikelyShardAloneWhereItHasTheMessage) {
  EXPECT_EQ(look_for(11, "w1"), "w1: Subject: 11 (w1)");
  EXPECT_EQ(look_for(22, "w2"), "w2: Subject: 22 (w2)");
}

TEST_F(QueueViewTest, ReadsOneShardAfterTheOtherUntilItHasTheMessage) {
  EXPECT_EQ(look_for(1, ""), "w0: Subject: 1 (w0)");
  EXPECT_EQ(look_for(11, ""), "w1: Subject: 11 (w0 w1)");
  EXPECT_EQ(look_for(11, "w2"), "w1: Subject: 11 (w0 w1 w2)");
  EXPECT_EQ(look_for(11, "w7"), "w1: Subject: 11 (w0 w1)");
  EXPECT_EQ(look_for(99, "w1"), "none (w0 w1 w2)");
}

TEST_F(QueueViewTest, ReadsAllForAListing) {
  QueueView view(files_, "/spool");
  EXPECT_TRUE(view.read_all());
  ASSERT_EQ(view.shards().size(), 3u);
  for (const auto& shard : view.shards()) EXPECT_EQ(shard->messages.size(), 3u);
}

}  // namespace
}  // namespace godwit::daemon
