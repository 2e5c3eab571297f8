#include "daemon/packing.h"

#include <gtest/gtest.h>

#include <numeric>

namespace godwit::daemon {
namespace {

// Time that passes in looks, each with a load of the first worker.
class PackingTest : public testing::Test {
 protected:
  void look(Packing& packing, double load, size_t sessions = 10) {
    constexpr int64_t kStepMicros = 50'000;
    now_.micros += kStepMicros;
    cpu_micros_ += static_cast<int64_t>(load * kStepMicros);
    ASSERT_TRUE(packing.is_due(now_, sessions));
    packing.look(now_, cpu_micros_, sessions);
  }
  void look_often(Packing& packing, double load, int times) {
    for (int i = 0; i < times; ++i) look(packing, load);
  }

  Instant now_{1'000'000};
  int64_t cpu_micros_ = 500'000;
};

TEST_F(PackingTest, TheFirstWorkerGetsEverythingAtFirst) {
  const Packing packing(4);
  EXPECT_EQ(packing.width(), 1);
  EXPECT_EQ(packing.shares(), (std::vector<uint16_t>{65535, 0, 0, 0}));
}

TEST_F(PackingTest, WorkersThatAreSetAsideGetNothingAndTheNextOnesTakeTheirPlace) {
  Packing packing(4);
  EXPECT_EQ(packing.shares(0b0010), (std::vector<uint16_t>{65535, 0, 0, 0}));
  EXPECT_EQ(packing.shares(0b0001), (std::vector<uint16_t>{0, 65535, 0, 0}));
  EXPECT_EQ(packing.shares(0b1111), (std::vector<uint16_t>{0, 0, 0, 0}));
  look(packing, 0.5);
  look_often(packing, 1, 20);
  EXPECT_EQ(packing.width(), 4);
  EXPECT_EQ(packing.shares(), (std::vector<uint16_t>{16384, 16384, 16384, 16384}));
  EXPECT_EQ(packing.shares(0b0010), (std::vector<uint16_t>{21845, 0, 21845, 21845}));
  EXPECT_EQ(packing.shares(0b1110), (std::vector<uint16_t>{65535, 0, 0, 0}));
}

TEST_F(PackingTest, AWorkerWithRoomKeepsEverything) {
  Packing packing(4);
  look_often(packing, 0.85, 100);
  EXPECT_EQ(packing.width(), 1);
}

TEST_F(PackingTest, WhatIsOverGoesToTheNextWorkerInSmallSteps) {
  Packing packing(4);
  look(packing, 0.5);
  look(packing, 0.96);
  EXPECT_EQ(packing.width(), 1.0625);
  const std::vector<uint16_t> shares = packing.shares();
  EXPECT_NEAR(shares[0], 65536 / 1.0625, 2);
  EXPECT_NEAR(shares[1], 65536 / 1.0625 * 0.0625, 2);
  EXPECT_EQ(shares[2], 0);
  look_often(packing, 0.9, 100);
  EXPECT_EQ(packing.width(), 1.0625);  // neither full nor with room
}

TEST_F(PackingTest, UnderFullLoadAllGetTheSameSoon) {
  Packing packing(64);
  look(packing, 0.5);
  look_often(packing, 1, 20);
  EXPECT_EQ(packing.width(), 64);
  const std::vector<uint16_t> shares = packing.shares();
  EXPECT_EQ(shares, std::vector<uint16_t>(64, 1024));
  EXPECT_EQ(std::accumulate(shares.begin(), shares.end(), 0), 65536);
}

TEST_F(PackingTest, WhereTheLoadGoesDownItIsPackedAgain) {
  Packing packing(8);
  look(packing, 0.5);
  look_often(packing, 1, 20);
  ASSERT_EQ(packing.width(), 8);
  look_often(packing, 0.7, 1);
  EXPECT_EQ(packing.width(), 8 - 0.0625);
  look_often(packing, 0.1, 20);
  EXPECT_EQ(packing.width(), 1);
}

TEST_F(PackingTest, ManySessionsAreSpreadWhateverTheyDo) {
  Packing packing(4);
  look(packing, 0.01, 64);
  EXPECT_EQ(packing.width(), 1);
  EXPECT_FALSE(packing.is_due(now_, 64));
  EXPECT_TRUE(packing.is_due(now_, 72));  // at once, not at the next look
  EXPECT_TRUE(packing.look(now_, cpu_micros_, 72));
  EXPECT_EQ(packing.width(), 1.5);
  packing.look(now_, cpu_micros_, 5000);
  EXPECT_EQ(packing.width(), 4);
  EXPECT_FALSE(packing.is_due(now_, 10'000));
  look(packing, 0.01, 5000);
  EXPECT_EQ(packing.width(), 4);
}

TEST_F(PackingTest, AloneThereIsNothingToShare) {
  Packing packing(1);
  look(packing, 0.5);
  look_often(packing, 1, 20);
  look(packing, 1, 1000);
  EXPECT_EQ(packing.width(), 1);
}

}  // namespace
}  // namespace godwit::daemon
