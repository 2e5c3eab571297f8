#include "core/log/log.h"

#include "core/io/log_writer.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace godwit {
namespace {

TEST(LogFormatter, MakesEximLines) {
  LogFormatter formatter(LogStyle{.utc = true}, 4711);
  std::string out;
  LogRecord record{
      LogEvent::arrival, LogFiles::main, "1abcde-00000000001-0001", "<= a@b.test H=x", {}};
  formatter.append_line(out, record, WallTime::from_seconds(1'000'000'000));
  EXPECT_EQ(out, "2001-09-09 01:46:40 1abcde-00000000001-0001 <= a@b.test H=x\n");
}

TEST(LogFormatter, ShowsMillisecondsZoneAndPidWhereSelected) {
  LogFormatter formatter(
      LogStyle{.utc = true, .show_zone = true, .milliseconds = true, .pid = true}, 4711);
  std::string out;
  formatter.append_line(out, {LogEvent::note, LogFiles::main, "", "text", {}},
                        WallTime{1'000'000'000'042'000});
  EXPECT_EQ(out, "2001-09-09 01:46:40.042 +0000 [4711] text\n");
}

TEST(LogFormatter, OneEventStaysOneLine) {
  LogFormatter formatter(LogStyle{.utc = true}, 1);
  std::string out;
  formatter.append_line(out, {LogEvent::note, LogFiles::main, "", "a\nb\rc\x1b[0m", {}},
                        WallTime{});
  EXPECT_EQ(out, "1970-01-01 00:00:00 a\\nb\\rc\\033[0m\n");
}

TEST(LogFormatter, JsonEscapesAndReplacesWhatIsNoUtf8) {
  LogFormatter formatter(LogStyle{}, 7);
  std::string out;
  const LogField fields[] = {{"rcpt", "\"x\"@b"}, {"raw", "\xff\xc3\xa4\n"}};
  formatter.append_json(out, {LogEvent::delivery, LogFiles::main, "id", "=> x", fields},
                        WallTime{1'500'000});
  EXPECT_EQ(out,
            "{\"time\":\"1970-01-01T00:00:01.500Z\",\"event\":\"delivery\",\"id\":\"id\","
            "\"rcpt\":\"\\\"x\\\"@b\",\"raw\":\"\xef\xbf\xbd\xc3\xa4\\u000a\",\"text\":\"=> "
            "x\",\"pid\":7}\n");
}

TEST(LogEventTable, NamesAreUniqueAndExplained) {
  std::set<std::string_view> names;
  for (const LogEventRow& row : log_event_rows()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_FALSE(row.help.empty());
  }
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(LogWriter, WritesToEachFileAndReopensAfterRotation) {
  const std::filesystem::path dir =
      std::filesystem::temp_directory_path() / ("godwit-log-" + std::to_string(getpid()));
  std::filesystem::create_directories(dir);
  {
    Loop loop;
    LogWriter log(loop,
                  {.main = dir / "main",
                   .reject = dir / "reject",
                   .panic = dir / "panic",
                   .json = dir / "json"},
                  LogStyle{.utc = true});
    log.main(LogEvent::daemon, "", "one");
    log.write({LogEvent::rejected, LogFiles::main_and_reject, "", "two", {}});
    while (!std::filesystem::exists(dir / "json") || read_file(dir / "json").empty())
      loop.run_once();
    std::filesystem::rename(dir / "main", dir / "main.1");
    log.reopen();
    log.main(LogEvent::daemon, "", "three");
  }
  EXPECT_NE(read_file(dir / "main.1").find("one\n"), std::string::npos);
  EXPECT_NE(read_file(dir / "main.1").find("two\n"), std::string::npos);
  EXPECT_EQ(read_file(dir / "reject").substr(20), "two\n");
  EXPECT_EQ(read_file(dir / "main").substr(20), "three\n");
  EXPECT_FALSE(std::filesystem::exists(dir / "panic"));
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace godwit
