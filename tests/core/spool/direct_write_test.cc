// Batches that are written past the system's cache: whole blocks, none of them twice.
#include "core/spool/record.h"
#include "tests/core/spool/spool_support.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace godwit::spool::test {
namespace {

TEST(PaddingRecord, EndsWithABlockAndHasRoomForItsHeader) {
  EXPECT_EQ(padding_bytes(0), 0u);
  EXPECT_EQ(padding_bytes(kBlockBytes), 0u);
  EXPECT_EQ(padding_bytes(kBlockBytes - kRecordHeaderBytes), kRecordHeaderBytes);
  EXPECT_EQ(padding_bytes(kBlockBytes - kRecordHeaderBytes + 8),
            kRecordHeaderBytes - 8 + kBlockBytes);
  for (uint32_t at = 8; at < 2 * kBlockBytes; at += kRecordAlignment) {
    const uint32_t bytes = padding_bytes(at);
    EXPECT_EQ((at + bytes) % kBlockBytes, 0u) << at;
    EXPECT_TRUE(bytes == 0 || bytes >= kRecordHeaderBytes) << at;
  }
}

Result<void> close(Loop& loop, std::unique_ptr<Store>& store) {
  const auto closing = [&]() -> Task<Result<void>> {
    co_await store->close();
    co_return Result<void>();
  };
  const Result<void> closed = run_task(loop, closing());
  store.reset();
  return closed;
}

StoreOptions roomy_options() {
  StoreOptions options = small_options();
  options.segment_bytes = options.first_segment_bytes = 256 * 1024;
  return options;
}

// A real file system, where it knows direct writes.
class DirectWriteTest : public testing::Test {
 protected:
  DirectWriteTest() {
    std::filesystem::create_directory(dir_);
    std::filesystem::create_directory(dir_ + "/shards");
  }
  ~DirectWriteTest() override { std::filesystem::remove_all(dir_); }
  void SetUp() override {
    if (!knows_direct_writes()) GTEST_SKIP() << "the temporary folder knows no direct writes";
  }

  bool knows_direct_writes() {
    const std::string path = dir_ + "/probe";
    if (!File::open(files, path, FileOpen::create)) return false;
    return File::open(files, path, FileOpen::direct).has_value();
  }
  std::unique_ptr<Store> open() {
    sink = KeepingSink();
    auto opened =
        run_task(loop, Store::open(loop, files, dir_ + "/shards/a", roomy_options(), sink));
    EXPECT_TRUE(opened.has_value()) << opened.error().to_string();
    return opened ? std::move(*opened) : nullptr;
  }
  Result<StoredMessage> commit(Store& store, uint64_t id, size_t body_bytes) {
    return run_task(loop, store_message(store, {id, id}, text_of(id, 40), text_of(id + 1, 80),
                                        text_of(id + 2, body_bytes)));
  }
  void expect_all(Store& store, const std::vector<size_t>& sizes) {
    ASSERT_EQ(sink.messages.size(), sizes.size());
    for (uint64_t id = 1; id <= sizes.size(); ++id) {
      const MessageRef ref = sink.messages.at({id, id}).ref;
      EXPECT_EQ(run_task(loop, store.read_envelope(ref)).value_or("?"), text_of(id, 40));
      EXPECT_EQ(run_task(loop, read_whole_body(store, ref)).value_or("?"),
                text_of(id + 2, sizes[id - 1]));
    }
  }

  SystemFiles files;
  Loop loop;
  KeepingSink sink;

 private:
  std::string dir_ = testing::TempDir() + "godwit-direct-" + std::to_string(::getpid());
};

TEST_F(DirectWriteTest, MailOfEverySizeComesBackThroughIndexAndScan) {
  const std::vector<size_t> sizes = {0, 1, 3700, 3800, 3801, 3900, 4000, 2500, 60, 3999, 17, 3333};
  std::unique_ptr<Store> store = open();
  for (uint64_t id = 1; id <= sizes.size(); ++id) ASSERT_TRUE(commit(*store, id, sizes[id - 1]));
  // All but the first, which ends the block that the start record is in.
  EXPECT_EQ(store->stats().direct_batches, sizes.size() - 1);
  ASSERT_TRUE(close(loop, store));
  for (const char* how : {"scanned", "indexed"}) {
    SCOPED_TRACE(how);
    store = open();
    EXPECT_TRUE(sink.damage.empty()) << sink.damage.front();
    expect_all(*store, sizes);
    ASSERT_TRUE(close(loop, store));
  }
}

TEST_F(DirectWriteTest, UpdatesBetweenBatchesAreWrittenThroughTheCache) {
  std::unique_ptr<Store> store = open();
  const auto first = commit(*store, 1, 100);
  ASSERT_TRUE(first);
  ASSERT_TRUE(commit(*store, 2, 100));
  const uint64_t direct = store->stats().direct_batches;
  store->update(first->ref, "between");
  while (store->stats().queued_records > 0) loop.run_once();
  ASSERT_GT(store->stats().unsynced_records, 0u);
  // Its sync must cover the update too.
  ASSERT_TRUE(commit(*store, 3, 100));
  EXPECT_EQ(store->stats().unsynced_records, 0u);
  EXPECT_EQ(store->stats().direct_batches, direct);
  ASSERT_TRUE(commit(*store, 4, 100));
  EXPECT_EQ(store->stats().direct_batches, direct + 1);
  ASSERT_TRUE(close(loop, store));
  store = open();
  expect_all(*store, {100, 100, 100, 100});
  EXPECT_EQ((sink.messages[{1, 1}].updates), (std::vector<std::string>{"between"}));
  ASSERT_TRUE(close(loop, store));
}

// A disk of ours, which can refuse.
class DirectWritesTest : public testing::Test {
 protected:
  void open(DirectWrites how) {
    allow_direct(files, how);
    ASSERT_TRUE(files.make_directory("/shards"));
    auto opened = run_task(loop, Store::open(loop, files, "/shards/a", roomy_options(), sink));
    ASSERT_TRUE(opened);
    store = std::move(*opened);
  }
  void TearDown() override { ASSERT_TRUE(close(loop, store)); }
  Result<StoredMessage> commit(uint64_t id) {
    return run_task(loop, store_message(*store, {id, id}, "e", "h", text_of(id, 900)));
  }

  PowerCutFiles files{1};
  Loop loop;
  KeepingSink sink;
  std::unique_ptr<Store> store;
};

TEST_F(DirectWritesTest, AreGivenUpWhereTheFileSystemTakesTheFileAndNoWrite) {
  open(DirectWrites::refused);
  for (uint64_t id = 1; id <= 5; ++id) ASSERT_TRUE(commit(id));
  EXPECT_EQ(store->stats().direct_batches, 0u);
  EXPECT_EQ(store->stats().failed_batches, 0u);
}

TEST_F(DirectWritesTest, AFailedOneFailsItsCommits) {
  open(DirectWrites::work);
  ASSERT_TRUE(commit(1));
  files.fail_syncs(true);
  const auto failed = commit(2);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::disk_error);
  files.fail_syncs(false);
  ASSERT_TRUE(commit(3));
  ASSERT_TRUE(commit(4));
  EXPECT_GT(store->stats().direct_batches, 0u);
}

}  // namespace
}  // namespace godwit::spool::test
