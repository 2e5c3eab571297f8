// Event actions: which run for an event, what they see, and what becomes of their results.
#include "acl/policy/events.h"

#include "tests/acl/support.h"
#include "tests/support/run_task.h"

#include <gtest/gtest.h>

namespace godwit::acl {
namespace {

struct Lines final : Log {
  std::string text;
  void write(const LogRecord& record) override {
    text += std::string(record.message_id) + " " + std::string(record.text) + "\n";
  }
  bool wants_fields() const noexcept override { return false; }
};

class EventTest : public testing::Test {
 protected:
  Expansion compiled(std::string text) {
    config::Diagnostics diagnostics;
    return compile_expansion(config::LocatedText(std::move(text)), {}, diagnostics)
        .value_or(Expansion());
  }
  std::string raise(const EventActions& actions, EventFacts event) {
    return test::run_task(loop_, actions.raise(std::move(event), facts_.context, log_));
  }

  Loop loop_;
  Facts facts_;
  Lines log_;
};

TEST_F(EventTest, AnActionSeesNameDataAndNumber) {
  EventActions actions("remote");
  actions.add("event_action", {}, compiled("$event_name|$event_data|$event_defer_errno|$domain"));
  EXPECT_EQ(raise(actions, {"msg:rcpt:defer", "450 later", -44}),
            "msg:rcpt:defer|450 later|-44|mx.test");
  EXPECT_EQ(facts_.context.event, nullptr);
  EXPECT_EQ(compiled("$event_name$event_data$event_defer_errno").evaluate(facts_.context).text,
            "0");
}

TEST_F(EventTest, AnActionForOneEventSaysNothingOfItsResult) {
  EventActions actions("remote");
  actions.add("tpda_delivery_action", "msg:delivery", compiled("$tpda_delivery_confirmation"));
  EXPECT_EQ(raise(actions, {"msg:delivery", "250 ok", 0}), "");
  actions.add("event_action", {}, compiled("${if eq{$event_name}{tcp:connect}{no}{}}"));
  EXPECT_EQ(raise(actions, {"msg:delivery", "250 ok", 0}), "");
  EXPECT_EQ(raise(actions, {"tcp:connect", "", 0}), "no");
  EXPECT_EQ(log_.text, "");
}

TEST_F(EventTest, WhatCannotBeExpandedIsLoggedAndForbidsNothing) {
  EventActions actions("remote");
  actions.add("event_action", {}, compiled("${if eq{$event_name}{tcp:connect}{a}fail}"));
  EXPECT_EQ(raise(actions, {"msg:delivery", "", 0}), "");
  EXPECT_TRUE(log_.text.starts_with(
      "1abcde-000000001-0000 failed to expand event_action msg:delivery in remote: "))
      << log_.text;
}

TEST_F(EventTest, OptionsThatAreNotSetAreNoActions) {
  EventActions actions("main");
  actions.add("event_action", {}, Expansion());
  EXPECT_TRUE(actions.empty());
}

}  // namespace
}  // namespace godwit::acl
