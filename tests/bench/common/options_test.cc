#include "bench/common/options.h"

#include "bench/common/target.h"
#include "bench/sink/options.h"
#include "bench/source/options.h"

#include <gtest/gtest.h>

namespace godwit::bench {
namespace {

using Words = std::vector<std::string_view>;

TEST(SourceOptions, TakesPostfixsCommandLine) {
  const Result<SourceOptions> options =
      parse_source_options(Words{"-dc", "-s20", "-m", "1000", "-l", "4k", "-f", "a@x.test", "-t",
                                 "b@y.test", "-N", "-r", "3", "-w", "1.5", "127.0.0.1:2525"});
  ASSERT_TRUE(options) << options.error().to_string();
  EXPECT_TRUE(options->reuse);
  EXPECT_TRUE(options->show_counter);
  EXPECT_TRUE(options->number_recipients);
  EXPECT_EQ(options->sessions, 20u);
  EXPECT_EQ(options->messages, 1000u);
  EXPECT_EQ(options->length, 4096u);
  EXPECT_EQ(options->recipients, 3u);
  EXPECT_EQ(options->pause_micros, 1'500'000);
  EXPECT_EQ(options->sender, "a@x.test");
  EXPECT_EQ(options->target.host, "127.0.0.1");
  EXPECT_EQ(options->target.port, 2525);
}

TEST(SourceOptions, HasADefaultEnd) {
  const Result<SourceOptions> options = parse_source_options(Words{"localhost"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->messages, 1u);
  EXPECT_GT(options->time_limit_micros, 0);
}

TEST(SourceOptions, RefusesWhatMakesNoSense) {
  const std::vector<Words> lines{
      {},                                    // no target
      {"a:1", "b:2"},                        // two targets
      {"--nonsense", "a:1"},                 // unknown
      {"-Z", "a:1"},                         //
      {"-s", "0", "a:1"},                    // out of range
      {"-s", "many", "a:1"},                 //
      {"-m"},                                // no argument
      {"--bdat=yes", "a:1"},                 // an argument that is not wanted
      {"-l", "1", "--sizes", "1:1", "a:1"},  // two contents
      {"-o", "--ledger", "x", "a:1"},        // a ledger without tokens
      {"--starttls", "a:1"},                 // not there yet
      {"--sizes", "", "a:1"},                //
      {"--sizes", "10:0", "a:1"},            //
      {"--rate", "0", "a:1"},                //
      {"--from", "here", "a:1"},             //
      {"--time-limit", "0", "a:1"},          // no end
      {"a:port"},
  };
  for (const Words& words : lines) {
    const Result<SourceOptions> options = parse_source_options(words);
    EXPECT_FALSE(options) << (words.empty() ? "" : words.front());
  }
}

TEST(SourceOptions, ReadsSizesWithWeights) {
  const Result<std::vector<SizeWeight>> sizes = parse_sizes("4096:90,64k:9,1m");
  ASSERT_TRUE(sizes);
  ASSERT_EQ(sizes->size(), 3u);
  EXPECT_EQ((*sizes)[1].bytes, 65536u);
  EXPECT_EQ((*sizes)[1].weight, 9u);
  EXPECT_EQ((*sizes)[2].weight, 1u);
}

TEST(SinkOptions, TakesPostfixsCommandLine) {
  const Result<SinkOptions> options =
      parse_sink_options(Words{"-c", "-8", "-f", "mail,RCPT .", "-W", "data:2:50", "-A", "0", "-S",
                               "\\101\\n\\\\x", ":2600", "100"});
  ASSERT_TRUE(options) << options.error().to_string();
  EXPECT_TRUE(options->hard.has(Verb::mail));
  EXPECT_TRUE(options->hard.has(Verb::rcpt));
  EXPECT_TRUE(options->hard.has(Verb::end_of_message));
  EXPECT_FALSE(options->hard.has(Verb::data));
  EXPECT_TRUE(options->hide_pipelining);
  EXPECT_EQ(options->delays[static_cast<size_t>(Verb::data)].micros, 2'000'000);
  EXPECT_EQ(options->delays[static_cast<size_t>(Verb::data)].odds, 50u);
  EXPECT_EQ(options->abort_after_data_micros, 0);
  EXPECT_EQ(options->dump_start, "A\n\\x");
  EXPECT_EQ(options->backlog, 100);
}

TEST(SinkOptions, RefusesWhatMakesNoSense) {
  const std::vector<Words> lines{{},
                                 {"host"},
                                 {"-f", "DANCE", ":1"},
                                 {":1", "x"},
                                 {"-W", "data", ":1"},
                                 {"-W", "data:1:100", ":1"},
                                 {"-S", "\\x", ":1"}};
  for (const Words& words : lines) EXPECT_FALSE(parse_sink_options(words));
}

TEST(Target, ReadsEveryForm) {
  struct Case {
    std::string_view text, host, unix_path;
    uint16_t port;
  };
  constexpr Case kCases[] = {
      {"127.0.0.1:25", "127.0.0.1", "", 25},
      {"inet:localhost:2525", "localhost", "", 2525},
      {"[::1]:26", "::1", "", 26},
      {"::1", "::1", "", 0},
      {"host", "host", "", 0},
      {":2600", "", "", 2600},
      {"unix:/run/x", "", "/run/x", 0},
      {"host:smtp", "host", "", 25},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    const Result<TargetText> target = parse_target(c.text);
    ASSERT_TRUE(target);
    EXPECT_EQ(target->host, c.host);
    EXPECT_EQ(target->unix_path, c.unix_path);
    EXPECT_EQ(target->port, c.port);
  }
  EXPECT_FALSE(parse_target("[::1:25"));
  EXPECT_FALSE(parse_target("unix:"));
  EXPECT_FALSE(parse_target("host:0"));
}

TEST(Target, StaysOnThisMachineUnlessAllowed) {
  const Result<Target> here = resolve_target({"", "127.0.0.2", 25}, {}, 25, Family::any, false);
  ASSERT_TRUE(here);
  EXPECT_EQ(here->to_string(), "[127.0.0.2]:25");
  const Result<Target> away = resolve_target({"", "192.0.2.1", 25}, {}, 25, Family::any, false);
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().code(), Errc::permission_denied);
  EXPECT_NE(away.error().detail().find("--allow-non-loopback"), std::string::npos);
  EXPECT_TRUE(resolve_target({"", "192.0.2.1", 25}, {}, 25, Family::any, true));
}

}  // namespace
}  // namespace godwit::bench
