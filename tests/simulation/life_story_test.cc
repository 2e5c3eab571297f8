// Short lives of single messages, told line by line: what the log says and what hosts see, at which
// time. The stories are in stories/; UPDATE_GOLDEN=1 writes them anew, for the eye to judge.
#include "generated/source_dir.h"
#include "tests/simulation/world.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

namespace godwit::simulation {
namespace {

constexpr int64_t kMinute = 60;
constexpr int64_t kHour = 3600;
constexpr int64_t kDay = 24 * kHour;

constexpr const char* kRouting = R"(
begin routers
out:
  driver = dnslookup
  transport = smtp
begin transports
smtp:
  driver = smtp
  SMTP_OPTIONS
begin retry
)";
constexpr const char* kUsualRule = "* * F,2h,15m; G,16h,1h,1.5; F,4d,6h\n";

std::string config_of(const std::string& main, const std::string& rules = kUsualRule,
                      const std::string& smtp = "") {
  std::string routing = kRouting;
  const std::string_view place = "SMTP_OPTIONS";
  routing.replace(routing.find(place), place.size(), smtp);
  return main + "\n" + routing + rules;
}

// "1d 02:15:00"
std::string clock_text(int64_t second) {
  std::array<char, 32> text;
  const int n = std::snprintf(
      text.data(), text.size(), "%lldd %02lld:%02lld:%02lld", static_cast<long long>(second / kDay),
      static_cast<long long>(second / kHour % 24), static_cast<long long>(second / kMinute % 60),
      static_cast<long long>(second % 60));
  return std::string(text.data(), static_cast<size_t>(n));
}

class LifeStory : public testing::Test, LogWatcher, NetworkWatcher {
 protected:
  World& begin(const std::string& config) {
    world_ = std::make_unique<World>(WorldOptions{config, 7, Millis{2}});
    world_->log().watcher = this;
    world_->network().watcher = this;
    world_->add_host("mx.home.test", "10.9.9.9");
    world_->add_domain("home.test", {"mx.home.test"});
    world_->add_host("mx.a.test", "198.51.100.1");
    world_->add_domain("a.test", {"mx.a.test"});
    return *world_;
  }
  Host& host_a() { return *world_->network().find(*IpAddress::parse("198.51.100.1")); }
  void send(int64_t second, const std::string& to = "u@a.test",
            const std::string& from = "s@home.test") {
    world_->at(second, [this, from, to] { world_->submit(from, {to}); });
  }

  // Runs to the end and compares with stories/<name>.txt.
  void tell(const std::string& name, int64_t days) {
    world_->run_until(days * kDay);
    const std::string path =
        std::string(GODWIT_SOURCE_DIR) + "/tests/simulation/stories/" + name + ".txt";
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path) << story_;
      return;
    }
    std::ifstream file(path);
    std::stringstream want;
    want << file.rdbuf();
    EXPECT_EQ(story_, want.str());
  }

  void on_line(const LogRecord& record) override {
    std::string label = "-";
    if (!record.message_id.empty()) {
      const auto [found, is_new] = labels_.emplace(record.message_id, labels_.size() + 1);
      label = "m" + std::to_string(found->second);
    }
    std::string text(record.text);
    for (const auto& [id, number] : labels_) {
      const size_t at = text.find(id);
      if (at != std::string::npos) text.replace(at, id.size(), "m" + std::to_string(number));
    }
    add(label + " " + text);
  }
  void on_event(const Host& host, const std::string& what) override {
    add("  " + host.name + ": " + what);
  }

  // Of the message that the story named first.
  message::MessageId first_id() const {
    for (const auto& [id, number] : labels_) {
      if (number == 1) return *message::MessageId::parse(id);
    }
    return {};
  }

  std::unique_ptr<World> world_;
  std::string story_;

 private:
  void add(const std::string& line) { story_ += clock_text(world_->now()) + " " + line + "\n"; }
  std::map<std::string, size_t, std::less<>> labels_;
};

TEST_F(LifeStory, AHostIsDownThreeHours) {
  begin(config_of(""));
  host_a().plan = {{0, Mood::refuses}, {3 * kHour, Mood::well}};
  send(0);
  tell("host-down-three-hours", 2);
}

TEST_F(LifeStory, AHostGreylists) {
  begin(config_of(""));
  host_a().plan = {{0, Mood::greylists}};
  send(0);
  tell("greylisting", 1);
}

TEST_F(LifeStory, TheDnsOfADomainIsDeadForADay) {
  begin(config_of(""));
  world_->names().kill("a.test", 0, kDay);
  send(0);
  send(10 * kMinute, "v@a.test");
  tell("dns-dead-for-a-day", 3);
}

TEST_F(LifeStory, TheDnsOfADomainFailsAndThenDeniesIt) {
  begin(config_of(""));
  world_->names().kill("a.test", 0, kHour, NameMood::fails);
  world_->names().kill("a.test", 5 * kHour, 6 * kHour, NameMood::denied);
  send(0);
  host_a().plan = {{2 * kHour, Mood::refuses}, {8 * kHour, Mood::well}};
  send(3 * kHour, "v@a.test");
  send(7 * kHour, "w@a.test");
  tell("dns-fails-and-denies", 2);
}

TEST_F(LifeStory, ADomainMovesToAnotherHost) {
  begin(config_of(""));
  host_a().plan = {{0, Mood::refuses}};
  world_->add_host("mx.b.test", "198.51.100.2");
  world_->add_domain("new.a.test", {"mx.b.test"});
  world_->names().move("a.test", kHour, "new.a.test");
  send(0);
  tell("a-domain-moves", 2);
}

TEST_F(LifeStory, SendersAreWarnedAtTheTimesOfDelayWarning) {
  begin(config_of("delay_warning = 1h:6h:1d\ndelay_warning_condition = true"));
  host_a().plan = {{0, Mood::silent}};
  send(0);
  tell("delay-warnings", 5);
}

TEST_F(LifeStory, NoWarningWhereTheConditionSaysSo) {
  begin(
      config_of("delay_warning = 1h\n"
                "delay_warning_condition = ${if eq{$h_subject:}{simulated}{no}{yes}}",
                "* * F,3h,1h\n"));
  host_a().plan = {{0, Mood::refuses}};
  send(0);
  tell("no-delay-warning", 1);
}

TEST_F(LifeStory, AReportThatCannotBeDeliveredIsFrozenAndDropped) {
  begin(config_of("ignore_bounce_errors_after = 2d"));
  host_a().plan = {{0, Mood::rcpt_550}};
  send(0, "u@a.test", "gone@nowhere.test");
  tell("ignore-bounce-errors-after", 4);
}

TEST_F(LifeStory, AFrozenReportTimesOut) {
  begin(config_of("ignore_bounce_errors_after = 10w\ntimeout_frozen_after = 3d"));
  host_a().plan = {{0, Mood::rcpt_550}};
  send(0, "u@a.test", "gone@nowhere.test");
  tell("timeout-frozen-after", 5);
}

TEST_F(LifeStory, AutoThawTriesAFrozenMessageAgain) {
  begin(config_of("auto_thaw = 6h"));
  host_a().plan = {{0, Mood::refuses}, {kHour, Mood::well}};
  send(0);
  world_->at(kMinute,
             [this] { EXPECT_TRUE(world_->queue().freeze(first_id(), "root").has_value()); });
  world_->at(kHour, [this] { world_->queue().run_queue({}); });  // says that it is frozen
  tell("auto-thaw", 2);
}

TEST_F(LifeStory, AutoThawIsNotForReports) {
  begin(config_of("auto_thaw = 6h\nignore_bounce_errors_after = 3d"));
  host_a().plan = {{0, Mood::rcpt_550}};
  send(0, "u@a.test", "gone@nowhere.test");
  tell("auto-thaw-of-a-report", 4);
}

TEST_F(LifeStory, AReportWhoseRetryTimeIsOverIsDropped) {
  begin(config_of("ignore_bounce_errors_after = 10w", "* * F,2h,30m\n"));
  host_a().plan = {{0, Mood::refuses}};
  send(0, "u@a.test", "");
  tell("retry-timeout-of-a-report", 3);
}

TEST_F(LifeStory, WhatWaitsWaitsOnUnderLoad) {
  begin(config_of("deliver_queue_load_max = 4"));
  host_a().plan = {{0, Mood::refuses}, {kMinute, Mood::well}};
  send(0);
  world_->at(5 * kMinute, [this] { world_->machine().load = 4500; });
  world_->at(kHour, [this] { world_->machine().load = 3000; });
  world_->at(50 * kMinute, [this] { world_->queue().run_queue({}); });
  send(30 * kMinute, "new@a.test");  // the first attempt is made whatever the load
  tell("deliver-queue-load-max", 1);
}

TEST_F(LifeStory, ARuleComesToItsEnd) {
  begin(config_of("delay_warning =", "* * F,2h,30m; G,8h,1h,2\n"));
  host_a().plan = {{0, Mood::refuses}};
  send(0);
  send(8 * kHour + 30 * kMinute);  // the host has not been tried since its end: waits for that
  send(9 * kHour + 30 * kMinute);  // past the end, before the next try: fails at once
  send(18 * kHour);                // after it: tried once
  tell("retry-timeout", 2);
}

TEST_F(LifeStory, PastTheEndWithoutDelayAfterCutoff) {
  begin(config_of("delay_warning =", "* * F,2h,30m; G,8h,1h,2\n", "delay_after_cutoff = false"));
  host_a().plan = {{0, Mood::refuses}};
  send(0);
  send(8 * kHour + 30 * kMinute);
  send(9 * kHour + 30 * kMinute);  // past the end: tried once, at once
  tell("no-delay-after-cutoff", 2);
}

TEST_F(LifeStory, OneConnectionAttemptForManyMessages) {
  begin(config_of("delay_warning ="));
  host_a().plan = {{0, Mood::refuses}, {kHour, Mood::well}};
  for (int i = 0; i < 4; ++i) send(i * 3 * kMinute, "u" + std::to_string(i) + "@a.test");
  tell("one-attempt-for-many", 1);
}

TEST_F(LifeStory, OneMessageIsRefusedWhileOthersPass) {
  begin(config_of("delay_warning =", "* * F,2h,30m\n"));
  host_a().plan = {{0, Mood::dot_451}, {5 * kMinute, Mood::well}, {20 * kMinute, Mood::dot_451}};
  send(0);
  send(10 * kMinute, "v@a.test");
  tell("message-error", 1);
}

TEST_F(LifeStory, ThousandsForDeadHostsCostFewBytesAndFewAttempts) {
  begin(config_of("delay_warning =\nlog_selector = -retry_defer"));
  world_->log().watcher = nullptr;
  world_->network().watcher = nullptr;
  constexpr int kMessages = 1500;
  for (int i = 0; i < kMessages; ++i) send(i / 10, "u" + std::to_string(i) + "@a.test");
  host_a().plan = {{0, Mood::silent}, {kDay, Mood::well}};
  world_->run_until(2 * kHour);
  EXPECT_EQ(world_->queue().stats().messages, static_cast<size_t>(kMessages));
  const size_t bytes = world_->queue().memory_bytes() + world_->store().stats().memory_bytes;
  EXPECT_LE(bytes, kMessages * 300U + 200'000U);
  // At first as many as the window lets through, then one at a time, every 20 minutes (15 and the
  // 5 until the connection times out).
  EXPECT_LE(host_a().connections, 20U + 6U);
  world_->run_until(3 * kDay);
  EXPECT_EQ(world_->queue().stats().messages, 0U);
  EXPECT_LE(host_a().connections, 100U);
  for (const auto& fates : world_->ledger().messages()) EXPECT_EQ(fates.front().copies, 1U);
}

TEST_F(LifeStory, TheAnswerToTheDotIsLost) {
  begin(config_of("delay_warning ="));
  host_a().plan = {{0, Mood::takes_silently}, {10 * kMinute, Mood::well}};
  send(0);
  tell("lost-answer", 1);
  EXPECT_EQ(world_->ledger().messages()[0][0].copies, 2U);
  EXPECT_EQ(world_->ledger().messages()[0][0].untold, 1U);
}

}  // namespace
}  // namespace godwit::simulation
