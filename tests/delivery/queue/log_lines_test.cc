#include "delivery/queue/log_lines.h"

#include <gtest/gtest.h>

namespace godwit::delivery {
namespace {

DeliveryLineFacts facts() {
  DeliveryLineFacts f;
  f.address = "user@example.com";
  f.sender = "a@b.test";
  f.return_path = "r@b.test";
  f.router = "out";
  f.transport = "remote";
  f.message_bytes = 4096;
  f.queue_time = Millis{2500};
  f.delivery_time = Millis{1250};
  return f;
}

DeliveryOutcome delivered() {
  DeliveryOutcome o;
  o.kind = OutcomeKind::delivered;
  o.confirmation = "250 \"ok\"";
  auto remote = std::make_shared<RemoteInfo>();
  remote->host_name = "mx.example.com";
  remote->endpoint = {*IpAddress::parse("192.0.2.1"), 2525};
  o.remote = remote;
  return o;
}

TEST(LogLines, ADeliveryLooksAsInExim) {
  const config::LogSelectors selectors;
  EXPECT_EQ(delivered_line(facts(), delivered(), true, selectors),
            "=> user@example.com R=out T=remote H=mx.example.com [192.0.2.1] C=\"250 \\\"ok\\\"\"");
  EXPECT_EQ(delivered_line(facts(), delivered(), false, selectors).substr(0, 3), "-> ");
}

TEST(LogLines, ShowEarlyPipeliningAndTheStepsOfTheProtocol) {
  config::LogSelectors selectors;
  selectors.set(config::LogSelector::smtp_confirmation, false);
  selectors.set(config::LogSelector::pipelining, true);
  DeliveryOutcome o = delivered();
  o.pipelined = o.early = true;
  o.steps = "EMR2D.";
  const std::string start = "=> user@example.com R=out T=remote H=mx.example.com [192.0.2.1]";
  EXPECT_EQ(delivered_line(facts(), o, true, selectors), start + " L*");
  selectors.set(config::LogSelector::protocol_detail, true);
  EXPECT_EQ(delivered_line(facts(), o, true, selectors), start + " L* PS=EMR2D.");
  o.kind = OutcomeKind::failed;
  o.steps = "EMR";
  o.text = "no";
  EXPECT_EQ(failed_line(facts(), o, selectors).substr(2), start.substr(2) + " PS=EMR: no");
}

TEST(LogLines, ShowPrdrAndTheProxyOnTheWay) {
  config::LogSelectors selectors;
  selectors.set(config::LogSelector::smtp_confirmation, false);
  DeliveryOutcome o = delivered();
  auto remote = std::make_shared<RemoteInfo>(*o.remote);
  remote->proxy = Endpoint{*IpAddress::parse("192.0.2.9"), 1080};
  o.remote = remote;
  o.prdr = o.chunked = true;
  const std::string start = "=> user@example.com R=out T=remote H=mx.example.com [192.0.2.1]";
  EXPECT_EQ(delivered_line(facts(), o, true, selectors), start + " PRDR K");
  selectors.set(config::LogSelector::proxy, true);
  EXPECT_EQ(delivered_line(facts(), o, true, selectors), start + " PRX=[192.0.2.9] PRDR K");
  selectors.set(config::LogSelector::outgoing_port, true);
  EXPECT_EQ(delivered_line(facts(), o, true, selectors),
            start + ":2525 PRX=[192.0.2.9]:1080 PRDR K");
}

TEST(LogLines, LocalDeliveriesShowTheLocalPartFirst) {
  DeliveryLineFacts f = facts();
  f.local_part = "user";
  DeliveryOutcome o;
  o.kind = OutcomeKind::delivered;
  EXPECT_EQ(delivered_line(f, o, true, config::LogSelectors()),
            "=> user <user@example.com> R=out T=remote");
}

TEST(LogLines, SelectorsAddTheirFields) {
  using config::LogSelector;
  config::LogSelectors selectors;
  for (LogSelector s :
       {LogSelector::sender_on_delivery, LogSelector::return_path_on_delivery,
        LogSelector::delivery_size, LogSelector::outgoing_port, LogSelector::pipelining,
        LogSelector::queue_time, LogSelector::deliver_time, LogSelector::millisec}) {
    selectors.set(s, true);
  }
  selectors.set(LogSelector::smtp_confirmation, false);
  DeliveryOutcome o = delivered();
  o.pipelined = o.chunked = true;
  EXPECT_EQ(delivered_line(facts(), o, true, selectors),
            "=> user@example.com F=<a@b.test> P=<r@b.test> R=out T=remote S=4096 H=mx.example.com "
            "[192.0.2.1]:2525 L K QT=2.500s DT=1.250s");
}

TEST(LogLines, WhatIsNotDeliveredHasNoTimeInTheQueue) {
  using config::LogSelector;
  config::LogSelectors selectors;
  for (LogSelector s : {LogSelector::queue_time, LogSelector::deliver_time, LogSelector::millisec})
    selectors.set(s, true);
  DeliveryOutcome o;
  o.kind = OutcomeKind::deferred;
  o.error_number = -1;
  o.text = "later";
  EXPECT_EQ(deferred_line(facts(), o, selectors),
            "== user@example.com R=out T=remote defer (-1) DT=1.250s: later");
  EXPECT_EQ(failed_line(facts(), o, selectors),
            "** user@example.com R=out T=remote: later DT=1.250s");
}

TEST(LogLines, TheTimeOfReceiptCountsUnlessItIsExcluded) {
  Envelope envelope;
  envelope.received = WallTime::from_seconds(100);
  envelope.receive_millis = 700;
  config::LogSelectors selectors;
  EXPECT_EQ(queue_time(envelope, WallTime::from_seconds(103), selectors).count, 3700);
  selectors.set(config::LogSelector::queue_time_exclusive, true);
  EXPECT_EQ(queue_time(envelope, WallTime::from_seconds(103), selectors).count, 3000);
}

TEST(LogLines, DeferralsAndFailuresSayWhy) {
  DeliveryOutcome o = delivered();
  o.kind = OutcomeKind::deferred;
  o.error_number = kErrorRcpt4xx;
  o.reply = "450 later";
  o.text = "SMTP error from remote mail server after RCPT TO:<user@example.com>: 450 later";
  const config::LogSelectors selectors;
  EXPECT_EQ(deferred_line(facts(), o, selectors),
            "== user@example.com R=out T=remote defer (-44) H=mx.example.com [192.0.2.1]: SMTP "
            "error from remote mail server after RCPT TO:<user@example.com>: 450 later");
  EXPECT_EQ(host_failure_line(o, selectors),
            "H=mx.example.com [192.0.2.1]: SMTP error from remote mail server after RCPT "
            "TO:<user@example.com>: 450 later");
  DeliveryOutcome unreached = o;
  unreached.unreached = true;
  unreached.error_number = ECONNREFUSED;
  unreached.text = "Connection refused";
  EXPECT_EQ(deferred_line(facts(), unreached, selectors),
            "== user@example.com R=out T=remote defer (111): Connection refused");
  EXPECT_EQ(host_failure_line(unreached, selectors),
            "H=mx.example.com [192.0.2.1] Connection refused");
  DeliveryOutcome silent = o;
  silent.error_number = ETIMEDOUT;
  silent.text = "SMTP timeout after initial connection";
  EXPECT_EQ(deferred_line(facts(), silent, selectors),
            "== user@example.com R=out T=remote defer (110): Connection timed out H=mx.example.com "
            "[192.0.2.1]: SMTP timeout after initial connection");
  o.text = "no such user";
  EXPECT_EQ(failed_line(facts(), o, selectors),
            "** user@example.com R=out T=remote H=mx.example.com [192.0.2.1]: no such user");
}

}  // namespace
}  // namespace godwit::delivery
