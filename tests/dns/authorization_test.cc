#include "dns/authorization.h"

#include "tests/support/scripted_resolver.h"

#include <gtest/gtest.h>

namespace godwit::dns {
namespace {

std::string joined(std::string_view name, size_t parents_max) {
  std::string out;
  for (const std::string_view parent : authorizing_parents(name, parents_max))
    out += (out.empty() ? "" : " ") + std::string(parent);
  return out;
}

TEST(ClientAuthorization, AsksParentsFromTheTopAndNeverTheTopItself) {
  struct Case {
    std::string_view name;
    size_t parents_max;
    std::string_view want;
  };
  constexpr Case kCases[] = {
      {"test", 5, ""},
      {"a.test", 5, ""},
      {"b.a.test", 5, "a.test"},
      {"c.b.a.test", 5, "a.test b.a.test"},
      {"c.b.a.test", 1, "a.test"},
      {"c.b.a.test", 0, ""},
      {"h.5.4.3.2.1.test", 5, "1.test 2.1.test 3.2.1.test 4.3.2.1.test 5.4.3.2.1.test"},
      {"h.6.5.4.3.2.1.test", 5, "1.test 2.1.test 3.2.1.test 4.3.2.1.test 5.4.3.2.1.test"},
      {"4.3.2.1.in-addr.arpa", 0, "1.in-addr.arpa 2.1.in-addr.arpa 3.2.1.in-addr.arpa"},
      {"1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", 5, "1.0.0.2.ip6.arpa 8.b.d.0.1.0.0.2.ip6.arpa"},
      {"", 5, ""},
      {".test", 5, ""},
  };
  for (const Case& c : kCases) EXPECT_EQ(joined(c.name, c.parents_max), c.want) << c.name;
}

TEST(ClientAuthorization, TakesAParentOnlyWhereItSpeaksOfNamesBelow) {
  test::ScriptedResolver resolver;
  resolver.add_service("_client._smtp.a.test", {1, 2, 0, "h.test"});
  resolver.add_service("_client._smtp.b.a.test", {1, 2, 1, "h.test"});
  const Result<Authorization> above = wait_here(client_authorization(resolver, "d.c.b.a.test", 5));
  ASSERT_TRUE(above);
  EXPECT_TRUE(above->is_parent && above->answer.found());
  EXPECT_EQ(resolver.asked.back(), "SRV _client._smtp.b.a.test");
  const Result<Authorization> own = wait_here(client_authorization(resolver, "a.test", 5));
  ASSERT_TRUE(own);
  EXPECT_TRUE(!own->is_parent && own->answer.found());
  resolver.fail("_client._smtp.a.test", RrType::SRV);
  EXPECT_FALSE(wait_here(client_authorization(resolver, "x.a.test", 5)));
}

}  // namespace
}  // namespace godwit::dns
