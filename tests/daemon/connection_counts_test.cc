#include "daemon/connection_counts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace godwit::daemon {
namespace {

IpAddress host(std::string_view text) {
  return *IpAddress::parse(text);
}

TEST(ConnectionCounts, CountsInAllAndByHost) {
  const auto counts = ConnectionCounts::make_private();
  counts->opened(host("192.0.2.1"));
  counts->opened(host("192.0.2.1"));
  counts->opened(host("2001:db8::1"));
  EXPECT_EQ(counts->total(), 3U);
  EXPECT_EQ(counts->of(host("192.0.2.1")), 2U);
  counts->closed(host("192.0.2.1"));
  EXPECT_EQ(counts->total(), 2U);
  EXPECT_EQ(counts->of(host("192.0.2.1")), 1U);
}

TEST(ConnectionCounts, AWorkerThatStartsDoesNotDisturbOneThatEnds) {
  const auto supervisor = ConnectionCounts::make_shared();
  ASSERT_TRUE(supervisor);
  const auto older = ConnectionCounts::attach(::dup((*supervisor)->descriptor()), 0);
  (*older)->opened(host("192.0.2.1"));
  const auto newer = ConnectionCounts::attach(::dup((*supervisor)->descriptor()), 1);
  (*newer)->opened(host("192.0.2.1"));
  EXPECT_EQ((*supervisor)->total(), 2U);
  (*older)->closed(host("192.0.2.1"));
  EXPECT_EQ((*newer)->total(), 1U);
  EXPECT_EQ((*newer)->of(host("192.0.2.1")), 1U);
}

TEST(ConnectionCounts, WhatADeadWorkerLeftIsCleared) {
  const auto supervisor = ConnectionCounts::make_shared();
  ASSERT_TRUE(supervisor);
  const auto worker = ConnectionCounts::attach(::dup((*supervisor)->descriptor()), 5);
  (*worker)->opened(host("192.0.2.1"));
  (*supervisor)->clear(5);
  EXPECT_EQ((*supervisor)->total(), 0U);
  EXPECT_EQ((*supervisor)->of(host("192.0.2.1")), 0U);
}

TEST(ConnectionCounts, AClaimHoldsForAllWorkersUntilItIsReleasedOrItsWorkerDies) {
  const auto supervisor = ConnectionCounts::make_shared();
  ASSERT_TRUE(supervisor);
  const auto one = ConnectionCounts::attach(::dup((*supervisor)->descriptor()), 3);
  const auto other = ConnectionCounts::attach(::dup((*supervisor)->descriptor()), 4);
  ASSERT_TRUE(one && other);
  EXPECT_TRUE((*one)->claim("etrn-a.test"));
  EXPECT_FALSE((*one)->claim("etrn-a.test"));
  EXPECT_FALSE((*other)->claim("etrn-a.test"));
  EXPECT_TRUE((*other)->claim("etrn-b.test"));
  (*other)->release("etrn-a.test");  // which is not its own
  EXPECT_FALSE((*other)->claim("etrn-a.test"));
  (*one)->release("etrn-a.test");
  EXPECT_TRUE((*other)->claim("etrn-a.test"));
  (*supervisor)->clear(4);
  EXPECT_TRUE((*one)->claim("etrn-a.test"));
  EXPECT_TRUE((*one)->claim("etrn-b.test"));
}

TEST(ConnectionCounts, ClaimsAreBounded) {
  const auto counts = ConnectionCounts::make_private();
  for (size_t i = 0; i < kClaimSlots; ++i) EXPECT_TRUE(counts->claim("key" + std::to_string(i)));
  EXPECT_FALSE(counts->claim("one more"));
  counts->release("key7");
  EXPECT_TRUE(counts->claim("one more"));
}

}  // namespace
}  // namespace godwit::daemon
