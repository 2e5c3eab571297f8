#include "daemon/command_line.h"

#include <gtest/gtest.h>

#include <array>

namespace godwit::daemon {
namespace {

Result<CommandLine> parse(std::string_view text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parse_command_line("godwit", words);
}

struct RunCase {
  std::string_view words, interval, queue, first_id, last_id;
  Mode mode;
};
constexpr std::array kRuns{
    RunCase{"-q", "", "", "", "", Mode::queue_run},
    RunCase{"-q10m", "10m", "", "", "", Mode::daemon},
    RunCase{"-q 10m", "10m", "", "", "", Mode::daemon},
    RunCase{"-bd -q 10m", "10m", "", "", "", Mode::daemon},
    RunCase{"-qffGlow/1h", "1h", "low", "", "", Mode::daemon},
    RunCase{"-qGlow 1h", "1h", "low", "", "", Mode::daemon},
    RunCase{"-qf -bdf", "", "", "", "", Mode::daemon},
    RunCase{"-q 1xUyES-000001-39", "", "", "1xUyES-000001-39", "", Mode::queue_run},
    RunCase{"-q 1xUyES-000001-39 1xUyET-000001-39", "", "", "1xUyES-000001-39", "1xUyET-000001-39",
            Mode::queue_run},
};

TEST(CommandLine, AQueueRunHasAnIntervalOrIds) {
  for (const RunCase& c : kRuns) {
    SCOPED_TRACE(c.words);
    const Result<CommandLine> line = parse(c.words);
    ASSERT_TRUE(line) << line.error().to_string();
    EXPECT_EQ(line->queue_interval, c.interval);
    EXPECT_EQ(line->queue_name, c.queue);
    EXPECT_EQ(line->queue_first_id, c.first_id);
    EXPECT_EQ(line->queue_last_id, c.last_id);
    EXPECT_EQ(line->mode, c.mode);
    EXPECT_TRUE(line->arguments.empty());
  }
}

TEST(CommandLine, ARunForATextTakesTheNextWord) {
  const Result<CommandLine> line = parse("-Rffr ^a -S b");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->queue_match, "^a");
  EXPECT_EQ(line->queue_sender, "b");
  EXPECT_TRUE(line->queue_regex && line->queue_forced && line->queue_with_frozen);
}

TEST(CommandLine, RefusesWordsThatMeanNothing) {
  for (const std::string_view words : {"-bd foo", "-bS foo", "-bs foo", "-q10m -qGfoo/1m", "-R",
                                       "-q 10m 1h", "-bpc foo", "-bnq"}) {
    EXPECT_FALSE(parse(words)) << words;
  }
}

struct ReportCase {
  std::string_view words;
  ErrorReport report;
};
constexpr std::array kReports{
    ReportCase{"", ErrorReport::mail},
    ReportCase{"-oee", ErrorReport::mail_and_succeed},
    ReportCase{"-ee", ErrorReport::mail_and_succeed},
    ReportCase{"-oep", ErrorReport::print},
    ReportCase{"-oeq", ErrorReport::print},
    ReportCase{"-oep -oem", ErrorReport::mail},
    ReportCase{"-eq -oew", ErrorReport::mail},
};

TEST(CommandLine, TheLastWordSaysHowErrorsAreReported) {
  for (const ReportCase& c : kReports) {
    const Result<CommandLine> line = parse(c.words);
    ASSERT_TRUE(line) << c.words;
    EXPECT_EQ(line->error_report, c.report) << c.words;
  }
}

}  // namespace
}  // namespace godwit::daemon
