#include "delivery/transport/dane_finder.h"

#include "tests/support/scripted_resolver.h"

#include <gtest/gtest.h>

namespace godwit::delivery {
namespace {

using Kind = DaneAnswer::Kind;

DaneAnswer run(Task<DaneAnswer> asking) {
  asking.start();
  return asking.take();
}

dns::Tlsa record(char fill) {
  return dns::Tlsa{3, 1, 1, std::string(32, fill)};
}

// RFC 7672 2.2.2: first the name at the end of the aliases, then the one they began with.
TEST(DaneFinder, PrefersTheNameAtTheEndOfTheAliases) {
  test::ScriptedResolver resolver;
  resolver.secure = true;
  resolver.add("_25._tcp.mx.provider.test", dns::RrType::TLSA, record('p'));
  resolver.add("_25._tcp.mail.test", dns::RrType::TLSA, record('m'));
  ResolverDaneFinder finder(resolver);
  const DaneAnswer answer = run(finder.find("mx.provider.test", "mail.test", 25));
  EXPECT_EQ(answer.kind, Kind::found);
  EXPECT_EQ(answer.base_name, "mx.provider.test");
  ASSERT_EQ(answer.records.size(), 1u);
  EXPECT_EQ(answer.records[0].data[0], 'p');
}

TEST(DaneFinder, FallsBackToTheNameThatTheAliasesBeganWith) {
  test::ScriptedResolver resolver;
  resolver.secure = true;
  resolver.add("_25._tcp.mail.test", dns::RrType::TLSA, record('m'));
  ResolverDaneFinder finder(resolver);
  const DaneAnswer answer = run(finder.find("mx.provider.test", "mail.test", 25));
  EXPECT_EQ(answer.kind, Kind::found);
  EXPECT_EQ(answer.base_name, "mail.test");
  EXPECT_EQ(resolver.asked.size(), 2u);
}

TEST(DaneFinder, DoesNotGoOnWhereTheFirstNameCouldNotBeAsked) {
  test::ScriptedResolver resolver;
  resolver.secure = true;
  resolver.fail("_25._tcp.mx.provider.test", dns::RrType::TLSA);
  resolver.add("_25._tcp.mail.test", dns::RrType::TLSA, record('m'));
  ResolverDaneFinder finder(resolver);
  EXPECT_EQ(run(finder.find("mx.provider.test", "mail.test", 25)).kind, Kind::temporary);
}

TEST(DaneFinder, AsksOnceWhereThereIsNoAlias) {
  test::ScriptedResolver resolver;
  resolver.secure = true;
  ResolverDaneFinder finder(resolver);
  EXPECT_EQ(run(finder.find("mail.test", "mail.test", 25)).kind, Kind::none);
  EXPECT_EQ(resolver.asked.size(), 1u);
}

}  // namespace
}  // namespace godwit::delivery
