#include "acl/expand/trace_record.h"

#include <gtest/gtest.h>

namespace godwit::acl {
namespace {

class TraceRecordTest : public testing::Test {
 protected:
  TraceRecordTest() { file_ = sources_.add("exim.conf", "text\n"); }

  // A condition whose text is a lookup, as an ACL tells it.
  void tell_condition() {
    record_.event({TraceKind::acl_begin, "check", {}, {}, {}});
    record_.event({TraceKind::statement, "accept", {}, {}, {file_, 12, 1}});
    record_.event({TraceKind::condition, "condition", "${lookup...}", {}, {}});
    record_.event({TraceKind::expansion_begin, {}, "${lookup...}", {}, {}});
    TraceEvent lookup{TraceKind::lookup_begin, "lsearch", "key", {}, {}};
    lookup.file = "/etc/keys";
    record_.event(lookup);
    clock_.advance(Millis{3});
    lookup.kind = TraceKind::lookup;
    lookup.result = "\"yes\"";
    lookup.cached = false;
    record_.event(lookup);
    record_.event({TraceKind::expansion, {}, "${lookup...}", "yes", {}});
    record_.event({TraceKind::value, {}, {}, "yes", {}});
    record_.event({TraceKind::condition_end, {}, {}, "yes", {}});
    record_.event({TraceKind::statement_end, "accept", {}, "succeeded", {}});
    record_.event({TraceKind::acl_end, "check", {}, "ACCEPT", {}});
  }

  config::Sources sources_;
  uint32_t file_ = 0;
  ManualClock clock_{WallTime{}};
  TraceRecord record_{sources_, clock_};
};

TEST_F(TraceRecordTest, ShowsEachStepBelowTheOneItBelongsTo) {
  tell_condition();
  EXPECT_EQ(record_.to_text(),
            "ACL check: ACCEPT (3.0 ms)\n"
            "  accept (exim.conf 12): succeeded (3.0 ms)\n"
            "    condition = ${lookup...} = \"yes\": yes (3.0 ms)\n"
            "      lookup lsearch \"key\" in /etc/keys: \"yes\" (3.0 ms)\n");
}

TEST_F(TraceRecordTest, NestsStepsInJson) {
  record_.event({TraceKind::router_begin, "r", "a@b", {}, {}});
  record_.event({TraceKind::variable, "r_x", {}, "\"1\"", {}});
  record_.event({TraceKind::router, "r", "a@b", "accepted", {}});
  record_.event({TraceKind::note, {}, "end", {}, {}});
  EXPECT_EQ(
      record_.to_json(),
      "[{\"kind\":\"router\",\"name\":\"r\",\"text\":\"a@b\",\"result\":\"accepted\",\"micros\":0,"
      "\"steps\":[{\"kind\":\"variable\",\"name\":\"r_x\",\"result\":\"\\\"1\\\"\"}]},"
      "{\"kind\":\"note\",\"text\":\"end\"}]\n");
}

TEST_F(TraceRecordTest, IsTheSameAfterAFile) {
  tell_condition();
  record_.event({TraceKind::note, {}, "tab\tline\nback\\slash", {}, {}});
  TraceRecord read;
  EXPECT_TRUE(read.add_lines(record_.to_lines()));
  EXPECT_EQ(read.to_text(), record_.to_text());
  EXPECT_EQ(read.to_json(), record_.to_json());
}

TEST_F(TraceRecordTest, RefusesLinesThatAreNone) {
  for (const char* line :
       {"x", "1\tnote", "99\tnote\t-\t0\t\t\tdeep\t\t", "0\tnothing\t-\t0\t\t\t\t\t"}) {
    TraceRecord read;
    EXPECT_FALSE(read.add_lines(line)) << line;
  }
}

TEST_F(TraceRecordTest, NeverGrowsBeyondItsBounds) {
  const std::string text(5'000, 'x');
  for (size_t i = 0; i < 10'000; ++i) {
    record_.event({TraceKind::list_begin, text, text, {}, {}});
    if (i % 3 == 0) record_.event({TraceKind::list, text, text, "yes", {}});
  }
  EXPECT_LE(record_.nodes().size(), kTraceNodesMax);
  EXPECT_LT(record_.to_text().size(), 2 * kTraceBytesMax + kTraceNodesMax * kTraceDepthMax * 4);
  EXPECT_NE(record_.to_text().find("more steps are not shown"), std::string::npos);
}

TEST_F(TraceRecordTest, ForgetsBackToAPlace) {
  tell_condition();
  const std::string before = record_.to_text();
  const size_t at = record_.nodes().size();
  tell_condition();
  record_.truncate(at);
  EXPECT_EQ(record_.to_text(), before);
}

TEST_F(TraceRecordTest, LeavesOutListsThatNobodySet) {
  record_.event({TraceKind::list_begin, "host", "host_lookup", {}, {}});
  record_.event({TraceKind::list, "host", "host_lookup", "no (option unset)", {}});
  EXPECT_TRUE(record_.empty());
}

}  // namespace
}  // namespace godwit::acl
