#include "delivery/retry/hints.h"

#include "core/config/document.h"
#include "delivery/retry/keeper.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace godwit::retry {
namespace {

RetryRecord record() {
  RetryRecord r;
  r.first_failed = WallTime::from_seconds(1000);
  r.last_try = WallTime::from_seconds(2000);
  r.next_try = WallTime::from_seconds(3000);
  r.expired = true;
  r.error_number = -44;
  r.text = "450 later";
  return r;
}

TEST(RetryRecord, RoundTripsAndRefusesShortBytes) {
  const std::string bytes = encode_record(record());
  EXPECT_EQ(decode_record(bytes), record());
  for (size_t n = 0; n < 40; ++n) EXPECT_FALSE(decode_record(std::string_view(bytes).substr(0, n)));
}

TEST(RetryHints, AreKeptOverRestartsAndSharedByProcesses) {
  const std::filesystem::path dir =
      std::filesystem::temp_directory_path() / ("godwit-hints-" + std::to_string(getpid()));
  std::filesystem::create_directories(dir);
  const std::string path = dir / "retry.mdb";
  const std::string long_key = "R:" + std::string(2000, 'x') + "@example.com";
  {
    const auto hints = std::make_unique<HintStore>(std::move(*hints::LmdbDatabase::open(path)));
    hints->put("T:mx:192.0.2.1", record());
    hints->put(long_key, record());
    hints->remove("T:unknown");
  }
  {
    const auto hints = std::make_unique<HintStore>(std::move(*hints::LmdbDatabase::open(path)));
    EXPECT_EQ(hints->find("T:mx:192.0.2.1"), record());
    EXPECT_EQ(hints->find(long_key), record());
    hints->remove("T:mx:192.0.2.1");
    EXPECT_FALSE(hints->find("T:mx:192.0.2.1"));
  }
  std::filesystem::remove_all(dir);
}

TEST(RetryHints, AFileThatIsNoDatabaseIsAnError) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("godwit-nodb-" + std::to_string(getpid()));
  {
    FILE* file = fopen(path.c_str(), "w");
    for (int i = 0; i < 2000; ++i) fputs("this is no database ", file);
    fclose(file);
  }
  EXPECT_FALSE(hints::LmdbDatabase::open(path).has_value());
  std::filesystem::remove(path);
  std::filesystem::remove(path.string() + "-lock");
}

class KeeperTest : public testing::Test {
 protected:
  RetryKeeper keeper(const std::string& rules) {
    config::MemoryFiles files;
    files.put("/c", "begin retry\n" + rules + "\n");
    config::Diagnostics diagnostics;
    const config::ConfigDocument document = config::read_document("/c", files, {}, diagnostics);
    lists_ = acl::NamedLists::compile_all(document, diagnostics);
    std::shared_ptr<const RetryRules> compiled =
        RetryRules::compile(document, *lists_, diagnostics);
    EXPECT_FALSE(diagnostics.has_errors()) << diagnostics.render_all();
    return RetryKeeper(hints_, compiled, {}, random_);
  }
  static RetryKeeper::Failed failed_at(int64_t seconds, int64_t received) {
    RetryKeeper::Failed failed;
    failed.key = "T:mx:192.0.2.1";
    failed.rule_key = "example.com";
    failed.host = "mx";
    failed.failure.error = RetryError::refused;
    failed.received = WallTime::from_seconds(received);
    failed.now = WallTime::from_seconds(seconds);
    return failed;
  }
  HintStore hints_{std::make_unique<hints::MemoryDatabase>()};
  Random random_{1};
  std::shared_ptr<const acl::NamedLists> lists_;
};

TEST_F(KeeperTest, TriesAgainAsTheRuleSaysAndGivesUpAtItsEnd) {
  RetryKeeper retry = keeper("* * F,1h,10m");
  RetryKeeper::Verdict verdict = retry.failed(failed_at(10'000, 10'000));
  EXPECT_FALSE(verdict.give_up);
  EXPECT_EQ(verdict.next_try, WallTime::from_seconds(10'600));
  verdict = retry.failed(failed_at(10'600, 10'000));
  EXPECT_EQ(verdict.next_try, WallTime::from_seconds(11'200));
  verdict = retry.failed(failed_at(10'000 + 3'700, 10'000));
  EXPECT_TRUE(verdict.give_up);
}

TEST_F(KeeperTest, WithoutARuleItGivesUpAtOnceAndRemembersNothing) {
  RetryKeeper retry = keeper("other.example * F,1h,10m");
  EXPECT_TRUE(retry.failed(failed_at(10'000, 10'000)).give_up);
  EXPECT_FALSE(hints_.find("T:mx:192.0.2.1"));
}

TEST_F(KeeperTest, AMessageOlderThanTheRuleIsGivenUpWhateverTheHost) {
  RetryKeeper retry = keeper("* * F,1h,10m");
  EXPECT_TRUE(retry.failed(failed_at(10'000, 1'000)).give_up);
}

TEST_F(KeeperTest, OldHintsAreForgottenAndSuccessClearsThem) {
  RetryKeeper retry = keeper("* * F,1h,10m");
  retry.failed(failed_at(10'000, 10'000));
  EXPECT_TRUE(retry.find("T:mx:192.0.2.1", WallTime::from_seconds(10'100)));
  EXPECT_FALSE(retry.find("T:mx:192.0.2.1", WallTime::from_seconds(10'000 + 700'000)));
  retry.succeeded("T:mx:192.0.2.1");
  EXPECT_FALSE(retry.find("T:mx:192.0.2.1", WallTime::from_seconds(10'100)));
}

}  // namespace
}  // namespace godwit::retry
