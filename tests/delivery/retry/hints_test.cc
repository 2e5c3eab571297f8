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
  r.failure = {RetryError::rcpt_4xx, HostSource::mx, 450, Seconds{86'400}};
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
    failed.is_host = true;
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

TEST_F(KeeperTest, AMessageOlderThanTheRuleNeedNotWaitForTheHost) {
  RetryKeeper retry = keeper("* * F,1h,10m");
  const RetryKeeper::Failed young = failed_at(10'000, 10'000);
  retry.failed(young);
  RetryKeeper::Standing standing = retry.standing(young, WallTime::from_seconds(10'100));
  EXPECT_TRUE(standing.waits);
  EXPECT_EQ(standing.next_try, WallTime::from_seconds(10'600));
  RetryKeeper::Failed old = failed_at(10'100, 1'000);
  standing = retry.standing(old, old.now);
  EXPECT_FALSE(standing.waits);
  // What comes of it is not news about the host.
  EXPECT_TRUE(retry.failed(old).give_up);
  EXPECT_EQ(hints_.find("T:mx:192.0.2.1")->next_try, WallTime::from_seconds(10'600));
}

TEST_F(KeeperTest, GapsGrowFromTheShorterOfThePlannedAndTheActualOne) {
  RetryKeeper retry = keeper("* * G,10d,1h,2");
  retry.failed(failed_at(0, 0));
  EXPECT_EQ(retry.failed(failed_at(3'600, 0)).next_try, WallTime::from_seconds(3'600 + 7'200));
  // The next try came late: what was planned counts.
  EXPECT_EQ(retry.failed(failed_at(80'000, 0)).next_try, WallTime::from_seconds(80'000 + 14'400));
  // And an early one (forced): the time since the last counts.
  EXPECT_EQ(retry.failed(failed_at(85'000, 0)).next_try, WallTime::from_seconds(85'000 + 10'000));
}

TEST_F(KeeperTest, ErrorsOfAMessageCountFromItsArrival) {
  RetryKeeper retry = keeper("* * F,1h,10m; F,3h,30m");
  RetryKeeper::Failed failed = failed_at(10'000, 5'000);
  failed.is_host = false;
  EXPECT_EQ(retry.failed(failed).next_try, WallTime::from_seconds(11'800));
  retry.succeeded(failed.key);
  failed.is_host = true;
  EXPECT_EQ(retry.failed(failed).next_try, WallTime::from_seconds(10'600));
}

TEST_F(KeeperTest, SaysUntilWhenItTries) {
  RetryKeeper retry = keeper("* * F,1h,10m");
  const RetryKeeper::Verdict first = retry.failed(failed_at(10'000, 9'000));
  EXPECT_EQ(first.expires, WallTime::from_seconds(9'000 + 3'600));
  EXPECT_EQ(first.retry_until, WallTime::from_seconds(9'000 + 3'600));
  const RetryKeeper::Verdict later = retry.failed(failed_at(11'000, 10'500));
  EXPECT_EQ(later.expires, WallTime::from_seconds(10'500 + 3'600));
  EXPECT_EQ(later.retry_until, WallTime::from_seconds(10'000 + 3'600));
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
