#include "delivery/transport/dane_policy.h"

#include <gtest/gtest.h>

#include <array>

namespace godwit::delivery {
namespace {

using Kind = DaneAnswer::Kind;
using Use = DanePlan::Use;

struct Case {
  std::string_view name;
  bool tries;
  bool requires_dane;
  Kind kind;
  int usage;  // of the one record, where there is one
  Use use;
  std::string_view problem;
};
constexpr std::array kCases{
    Case{"nobody asks", false, false, Kind::found, 3, Use::no, ""},
    Case{"found", true, false, Kind::found, 3, Use::verify, ""},
    Case{"found, trust anchor, required", false, true, Kind::found, 2, Use::verify, ""},
    Case{"unusable", true, false, Kind::found, 1, Use::encrypt_only, ""},
    Case{"unusable, required", false, true, Kind::found, 0, Use::defer,
         "DANE error: No usable TLSA records"},
    Case{"host not secure", true, false, Kind::host_not_secure, -1, Use::no, ""},
    Case{"host not secure, required", true, true, Kind::host_not_secure, -1, Use::defer,
         "DANE error: mx.test lookup not DNSSEC"},
    Case{"none", true, false, Kind::none, -1, Use::no, ""},
    Case{"none, required", true, true, Kind::none, -1, Use::defer, "DANE error: tlsa lookup FAIL"},
    Case{"not secure", true, false, Kind::not_secure, 3, Use::no,
         "DANE error: TLSA lookup for mx.test not DNSSEC"},
    Case{"not secure, required", true, true, Kind::not_secure, 3, Use::defer,
         "DANE error: TLSA lookup for mx.test not DNSSEC"},
    Case{"could not ask", true, false, Kind::temporary, -1, Use::defer,
         "DANE error: tlsa lookup DEFER"},
    Case{"cannot ask", true, false, Kind::failed, -1, Use::defer, "DANE error: tlsa lookup FAIL"},
};

TEST(DanePolicy, DecidesByWhatDnsSaysAndTheOptionsWant) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    DaneAnswer answer;
    answer.kind = c.kind;
    if (c.usage >= 0)
      answer.records.push_back({static_cast<uint8_t>(c.usage), 1, 1, std::string(32, 'd')});
    const DanePlan plan = dane_policy(c.tries, c.requires_dane, "mx.test", std::move(answer));
    EXPECT_EQ(plan.use, c.use);
    EXPECT_EQ(plan.problem, c.problem);
    if (c.use == Use::verify) EXPECT_EQ(plan.base_name, "mx.test");
  }
}

}  // namespace
}  // namespace godwit::delivery
