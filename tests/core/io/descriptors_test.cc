#include "core/io/descriptors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace godwit {
namespace {

// The size of the table, as Linux tells it.
size_t table_size() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("FDSize:")) return std::strtoul(line.c_str() + 7, nullptr, 10);
  }
  return 0;
}

TEST(ReserveDescriptorsTest, TheTableHasRoomAndNothingIsOpenThatWasNot) {
  const int before = ::dup(0);
  ASSERT_GE(before, 0);
  ::close(before);
  ASSERT_TRUE(reserve_descriptors(1000));
  EXPECT_GE(table_size(), 1000u);
  const int after = ::dup(0);
  EXPECT_EQ(after, before);
  ::close(after);
}

TEST(ReserveDescriptorsTest, NoMoreThanTheProcessMayOpen) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit small{700, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  const Result<void> done = reserve_descriptors(100'000'000);
  EXPECT_TRUE(done) << done.error().to_string();
  EXPECT_GE(table_size(), 700u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

}  // namespace
}  // namespace godwit
