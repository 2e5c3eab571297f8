#include "core/hints/database.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace godwit::hints {
namespace {

// Records whose value is "old" go.
class Old final : public Database::Judge {
 public:
  bool is_outdated(std::string_view, std::string_view value) override {
    ++asked;
    return value == "old";
  }
  size_t asked = 0;
};

std::string key_of(int number) {
  return "key" + std::to_string(1000 + number);
}

void expect_that_a_sweep_is_bounded_and_complete(Database& database) {
  for (int i = 0; i < 100; ++i) database.put(key_of(i), i % 3 == 0 ? "old" : "new");
  std::string from;
  size_t removed = 0;
  size_t calls = 0;
  for (;;) {
    Old judge;
    const Result<Database::Swept> swept = database.sweep(from, 7, judge);
    ASSERT_TRUE(swept) << swept.error().to_string();
    ++calls;
    EXPECT_LE(judge.asked, 14u) << "each is asked about once, and once more under the lock";
    removed += swept->removed;
    if (!swept->next) break;
    EXPECT_GT(*swept->next, from);
    from = *swept->next;
  }
  EXPECT_EQ(calls, 15u);
  EXPECT_EQ(removed, 34u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(database.get(key_of(i)).has_value(), i % 3 != 0) << i;
}

void expect_that_an_empty_one_ends_at_once(Database& database) {
  Old judge;
  const Result<Database::Swept> swept = database.sweep("", 7, judge);
  ASSERT_TRUE(swept);
  EXPECT_EQ(swept->removed, 0u);
  EXPECT_FALSE(swept->next);
  const Result<Database::Swept> behind = database.sweep("zzz", 7, judge);
  ASSERT_TRUE(behind);
  EXPECT_FALSE(behind->next);
}

TEST(Sweep, OfHintsInMemoryIsBoundedAndComplete) {
  MemoryDatabase database;
  expect_that_an_empty_one_ends_at_once(database);
  expect_that_a_sweep_is_bounded_and_complete(database);
}

TEST(Sweep, OfAFileIsBoundedAndComplete) {
  std::string folder = (std::filesystem::temp_directory_path() / "sweep-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    auto database = LmdbDatabase::open(folder + "/hints.mdb");
    ASSERT_TRUE(database) << database.error().to_string();
    expect_that_an_empty_one_ends_at_once(**database);
    expect_that_a_sweep_is_bounded_and_complete(**database);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace godwit::hints
