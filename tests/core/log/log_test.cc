#include "core/log/log.h"

#include "core/io/log_writer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

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

TEST(LogFormatter, ARefusedHeaderSectionIsNoPartOfTheLine) {
  LogFormatter formatter(LogStyle{.utc = true}, 7);
  LogRecord record{LogEvent::rejected, LogFiles::main_and_reject, "", "no", {}};
  record.rejected_header = "Envelope-from: <>\n";
  std::string out;
  formatter.append_line(out, record, WallTime{});
  EXPECT_EQ(out, "1970-01-01 00:00:00 no\n");
  out.clear();
  formatter.append_json(out, record, WallTime{});
  EXPECT_NE(out.find("\"text\":\"no\",\"rejected_header\":\"Envelope-from: <>\\u000a\","),
            std::string::npos)
      << out;
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

TEST(LogWriter, KeepsALogOfEachMessageUntilItIsDone) {
  const std::filesystem::path dir =
      std::filesystem::temp_directory_path() / ("godwit-msglog-" + std::to_string(getpid()));
  std::filesystem::create_directories(dir / "old");
  for (const bool is_kept : {false, true}) {
    LogPaths paths{.main = dir / "main", .reject = {}, .panic = {}, .json = {}};
    paths.messages.directory = dir;
    if (is_kept) paths.messages.kept = dir / "old";
    {
      Loop loop;
      LogWriter log(loop, paths, LogStyle{.utc = true});
      log.main(LogEvent::arrival, "id-1", "<= a@b");
      log.main(LogEvent::arrival, "id-2", "<= c@d");
      log.main(LogEvent::rejected, "id-3", "refused");
      log.main(LogEvent::deferral, "id-1", "== x@y defer");
      log.main(LogEvent::completed, "id-2", "Completed");
    }
    EXPECT_EQ(read_file(dir / "id-1").substr(20, 7), "<= a@b\n");
    EXPECT_EQ(read_file(dir / "id-1").substr(47), "== x@y defer\n");
    EXPECT_FALSE(std::filesystem::exists(dir / "id-2"));
    EXPECT_EQ(std::filesystem::exists(dir / "old" / "id-2"), is_kept);
    EXPECT_FALSE(std::filesystem::exists(dir / "id-3"));
    std::filesystem::remove(dir / "id-1");
  }
  EXPECT_NE(read_file(dir / "old" / "id-2").find("Completed\n"), std::string::npos);
  std::filesystem::remove_all(dir);
}

// A syslog daemon that only listens.
class SyslogSink {
 public:
  explicit SyslogSink(const std::string& path) : descriptor_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const void* at = &address;
    EXPECT_EQ(::bind(descriptor_, static_cast<const sockaddr*>(at), sizeof address), 0);
  }
  ~SyslogSink() { ::close(descriptor_); }
  SyslogSink(const SyslogSink&) = delete;
  SyslogSink& operator=(const SyslogSink&) = delete;

  // The next line without its time; empty where there is none.
  std::string next() {
    std::array<char, 9000> buffer{};
    const ssize_t got = ::recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) return {};
    std::string text(buffer.data(), static_cast<size_t>(got));
    const size_t close = text.find('>');
    return text.substr(0, close + 1) + text.substr(close + 1 + sizeof "Mon dd hh:mm:ss");
  }

 private:
  int descriptor_;
};

TEST(LogWriter, WritesToSyslogByLevel) {
  const std::string path = testing::TempDir() + "godwit-syslog-" + std::to_string(getpid());
  SyslogSink sink(path);
  LogPaths paths;
  paths.syslog = {.socket_path = path, .name = "exim", .facility = *syslog_facility("mail")};
  const std::string tag = "exim[" + std::to_string(getpid()) + "]: ";
  {
    Loop loop;
    LogWriter log(loop, paths, LogStyle{.utc = true});
    log.main(LogEvent::arrival, "id-1", "<= a@b");
  }
  EXPECT_TRUE(sink.next().ends_with(" id-1 <= a@b"));
  paths.syslog.shows_time = false;
  {
    Loop loop;
    LogWriter log(loop, paths, LogStyle{.utc = true});
    log.write({LogEvent::rejected, LogFiles::main_and_reject, "", "refused", {}});
    log.panic(LogEvent::spool, "", "broken");
  }
  EXPECT_EQ(sink.next(), "<21>" + tag + "refused");
  EXPECT_EQ(sink.next(), "<22>" + tag + "refused");
  EXPECT_EQ(sink.next(), "<17>" + tag + "broken");
  EXPECT_EQ(sink.next(), "<22>" + tag + "broken");
  paths.syslog.duplicates = false;
  {
    Loop loop;
    LogWriter log(loop, paths, LogStyle{.utc = true});
    log.panic(LogEvent::spool, "", "broken");
  }
  EXPECT_EQ(sink.next(), "<17>" + tag + "broken");
  EXPECT_EQ(sink.next(), "");
  ::unlink(path.c_str());
}

TEST(Syslog, LostLinesAreCountedAndTold) {
  const std::string path = testing::TempDir() + "godwit-lost-" + std::to_string(getpid());
  Syslog syslog({.socket_path = path, .name = "exim"}, 1);
  syslog.send("<22>one");
  syslog.send("<22>two");
  EXPECT_EQ(syslog.lost(), 2U);
  SyslogSink sink(path);
  syslog.send("<22>Nov 21 12:00:00 three");
  EXPECT_EQ(syslog.lost(), 0U);
  EXPECT_EQ(sink.next(), "<1>exim[1]: 2 log lines could not be sent to syslog");
  EXPECT_EQ(sink.next(), "<22>three");
  ::unlink(path.c_str());
}

TEST(Syslog, ADaemonThatDoesNotReadLosesLinesAndBlocksNobody) {
  const std::string path = testing::TempDir() + "godwit-full-" + std::to_string(getpid());
  SyslogSink sink(path);
  Syslog syslog({.socket_path = path, .name = "exim"}, 1);
  for (int i = 0; i < 2000; ++i) syslog.send("<22>line");
  EXPECT_GT(syslog.lost(), 0U);
  ::unlink(path.c_str());
}

TEST(Syslog, KnowsFacilities) {
  EXPECT_EQ(syslog_facility("mail"), 2 << 3);
  EXPECT_EQ(syslog_facility("local7"), 23 << 3);
  EXPECT_FALSE(syslog_facility("local8"));
}

}  // namespace
}  // namespace godwit
