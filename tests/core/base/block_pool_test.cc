#include "core/base/block_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

namespace godwit {
namespace {

class BlockPoolTest : public testing::Test {
 protected:
  ~BlockPoolTest() override { pool.clear(); }  // the leak check sees what was lost

  BlockPool pool{true};
};

TEST_F(BlockPoolTest, BlocksOfAnySizeCanBeWrittenToTheirEnd) {
  const std::vector<size_t> sizes{0, 1, 63, 64, 65, 1000, 8191, 8192, 8193, 100000};
  for (int round = 0; round < 3; ++round) {
    std::vector<void*> blocks;
    for (const size_t bytes : sizes) {
      blocks.push_back(pool.take(bytes));
      std::memset(blocks.back(), round, bytes);
    }
    EXPECT_EQ(std::set<void*>(blocks.begin(), blocks.end()).size(), sizes.size());
    for (size_t i = 0; i < sizes.size(); ++i) pool.give(blocks[i], sizes[i]);
  }
}

TEST_F(BlockPoolTest, ABlockIsHandedOutAgainForASizeOfTheSameStep) {
  void* const first = pool.take(1000);
  pool.give(first, 1000);
  void* const other = pool.take(2000);
  EXPECT_NE(other, first);
  void* const again = pool.take(1024);
  EXPECT_EQ(again, first);
  pool.give(again, 1024);
  pool.give(other, 2000);
}

TEST_F(BlockPoolTest, NoMoreThanItsBoundIsKept) {
  std::vector<void*> blocks;
  for (size_t i = 0; i < 10 * size_t{BlockPool::kKeptMax}; ++i) blocks.push_back(pool.take(640));
  for (void* block : blocks) pool.give(block, 640);
  std::set<void*> distinct;
  for (size_t i = 0; i < blocks.size(); ++i) distinct.insert(pool.take(640));
  EXPECT_EQ(distinct.size(), blocks.size());
  for (void* block : distinct) pool.give(block, 640);
}

TEST(PooledBytesTest, AMoveLeavesNothingBehind) {
  PooledBytes bytes(100);
  std::memcpy(bytes.data(), "text", 4);
  const char* const data = bytes.data();
  PooledBytes moved(std::move(bytes));
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved.capacity(), 100u);
  EXPECT_EQ(bytes.capacity(), 0u);  // NOLINT(bugprone-use-after-move)
  PooledBytes assigned(7);
  assigned = std::move(moved);
  EXPECT_EQ(assigned.data(), data);
  EXPECT_EQ(std::memcmp(assigned.data(), "text", 4), 0);
}

}  // namespace
}  // namespace godwit
