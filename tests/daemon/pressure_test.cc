#include "daemon/pressure.h"

#include "core/config/files.h"

#include <gtest/gtest.h>

#include <string>

namespace godwit::daemon {
namespace {

class ScriptedMachine final : public Machine {
 public:
  int64_t load_thousandths() override { return load; }
  Result<DiskRoom> room(const std::string&) override { return disk; }
  int64_t load = 500;
  DiskRoom disk{1'000'000, 1000};
};

class SilentLog final : public Log {
 public:
  void write(const LogRecord& record) override { last = record.text; }
  bool wants_fields() const noexcept override { return false; }
  std::string last;
};

class PressureTest : public testing::Test {
 protected:
  Pressure load(const std::string& main) {
    config::MemoryFiles files;
    files.put("/c", main);
    config::Diagnostics diagnostics;
    config_.document = config::read_document("/c", files, {}, diagnostics);
    config_.policy = acl::compile_policy(config_.document, diagnostics);
    EXPECT_EQ(diagnostics.render_all(), "");
    config_.facts.log_directory = "/log";
    return Pressure(config_, machine_, log_);
  }
  ServerConfig config_;
  ScriptedMachine machine_;
  SilentLog log_;
};

TEST_F(PressureTest, RoomIsWhatTheOptionsWant) {
  Pressure pressure = load("check_spool_space = 100M\ncheck_spool_inodes = 500\n");
  EXPECT_TRUE(pressure.has_room(0, 0));
  machine_.disk.kilobytes = 99 * 1024;
  EXPECT_FALSE(pressure.has_room(0, 0));
  EXPECT_EQ(log_.last, "spool directory space check failed: space=101376 inodes=1000");
  machine_.disk = {1'000'000, 499};
  EXPECT_FALSE(pressure.has_room(0, 0));
  machine_.disk.inodes = -1;  // a file system that does not count them
  EXPECT_TRUE(pressure.has_room(0, 0));
}

TEST_F(PressureTest, ADeclaredSizeMustFitOnTop) {
  Pressure pressure = load("check_spool_space = 100M\n");
  machine_.disk.kilobytes = 150 * 1024;
  EXPECT_TRUE(pressure.has_room(40 * 1024 * 1024, 0));
  EXPECT_FALSE(pressure.has_room(60 * 1024 * 1024, 0));
  // What the spool has reserved is room as well.
  EXPECT_TRUE(pressure.has_room(60 * 1024 * 1024, 64 * 1024 * 1024));
  Pressure careless = load("check_spool_space = 100M\nno_smtp_check_spool_space\n");
  EXPECT_TRUE(careless.has_room(60 * 1024 * 1024, 0));
}

TEST_F(PressureTest, LogSpaceCountsToo) {
  Pressure pressure =
      load("check_spool_space = 0\ncheck_spool_inodes = 0\ncheck_log_space = 2000M\n");
  EXPECT_FALSE(pressure.has_room(0, 0));
  EXPECT_TRUE(log_.last.starts_with("log directory space check failed"));
}

TEST_F(PressureTest, MessagesWaitForAQueueRunUnderLoadAndBehindManyOthers) {
  Pressure pressure = load(
      "queue_only_load = 2\nsmtp_accept_queue = 20\nsmtp_accept_queue_per_connection = 3\n"
      "smtp_accept_max = 50\n");
  EXPECT_EQ(pressure.why_queued(20, 2), "");
  EXPECT_EQ(pressure.why_queued(21, 0), "no immediate delivery: too many connections (21, max 20)");
  EXPECT_EQ(pressure.why_queued(1, 3),
            "no immediate delivery: more than 3 messages received in one connection");
  machine_.load = 2500;
  EXPECT_EQ(pressure.why_queued(1, 0), "no immediate delivery: load average 2.50");
}

TEST_F(PressureTest, ALoadThatFellMattersToTheSessionWithTheLatchAlone) {
  for (const bool latches : {true, false}) {
    SCOPED_TRACE(latches);
    Pressure pressure =
        load(std::string("queue_only_load = 2\n") + (latches ? "" : "no_queue_only_load_latch\n"));
    machine_.load = 1000;
    std::string why = pressure.why_queued_after("", 1, 0);
    EXPECT_EQ(why, "");
    machine_.load = 2500;
    why = pressure.why_queued_after(why, 1, 1);
    EXPECT_EQ(why, "no immediate delivery: load average 2.50");
    machine_.load = 1000;
    why = pressure.why_queued_after(why, 1, 2);
    EXPECT_EQ(why, latches ? "no immediate delivery: load average 2.50" : "");
  }
}

TEST_F(PressureTest, LogInodesCountToo) {
  Pressure pressure = load(
      "check_spool_space = 0\ncheck_spool_inodes = 0\ncheck_log_space = 0\n"
      "check_log_inodes = 300\n");
  machine_.disk.inodes = 300;
  EXPECT_TRUE(pressure.has_room(0, 0));
  machine_.disk.inodes = 299;
  EXPECT_FALSE(pressure.has_room(0, 0));
  EXPECT_EQ(log_.last, "log directory space check failed: space=1000000 inodes=299");
}

TEST_F(PressureTest, TheLoadIsOverSmtpLoadReserveAboveItAndNotAtIt) {
  Pressure pressure = load("smtp_load_reserve = 5.5\n");
  machine_.load = 5500;
  EXPECT_EQ(pressure.load_over(config_.options().smtp_load_reserve, "smtp_load_reserve"), -1);
  machine_.load = 5501;
  EXPECT_EQ(pressure.load_over(config_.options().smtp_load_reserve, "smtp_load_reserve"), 5501);
  machine_.load = -1;  // a system that does not tell
  EXPECT_EQ(pressure.load_over(config_.options().smtp_load_reserve, "smtp_load_reserve"), -1);
}

TEST_F(PressureTest, WithoutALimitNoLoadIsTooMuch) {
  Pressure pressure = load("");
  machine_.load = 1'000'000;
  EXPECT_EQ(pressure.load_over(config_.options().smtp_load_reserve, "smtp_load_reserve"), -1);
  EXPECT_EQ(pressure.why_queued(1, 0), "");
}

TEST(SystemMachine, MeasuresSomething) {
  const SystemClock clock;
  SystemMachine machine(clock);
  EXPECT_GE(machine.load_thousandths(), -1);
  const Result<DiskRoom> room = machine.room("/");
  ASSERT_TRUE(room.has_value());
  EXPECT_GE(room->kilobytes, 0);
  EXPECT_FALSE(machine.room("/no such directory").has_value());
}

}  // namespace
}  // namespace godwit::daemon
