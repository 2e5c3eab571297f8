#include "delivery/transport/dane_policy.h"

#include "generated/source_dir.h"
#include "tests/support/json_cases.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>

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

TEST(DanePolicy, DecidesAsTheSuiteExpects) {
  const std::string path = test::shared_data(GODWIT_SOURCE_DIR, "dane/tlsa-usability.json");
  if (path.empty()) GTEST_SKIP() << "SKIPPED: shared/data/dane is not here";
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const test::Json suite = test::parse_json(text);
  for (const test::Json& c : suite["cases"].items) {
    SCOPED_TRACE(c["id"].string);
    DaneAnswer answer;
    answer.kind = c["dnssec"].string == "timeout"  ? Kind::temporary
                  : c["tlsa"].items.empty()        ? Kind::none
                  : c["dnssec"].string == "secure" ? Kind::found
                                                   : Kind::not_secure;
    for (const test::Json& record : c["tlsa"].items) {
      answer.records.push_back({static_cast<uint8_t>(record.items[0].number),
                                static_cast<uint8_t>(record.items[1].number),
                                static_cast<uint8_t>(record.items[2].number),
                                test::from_hex(record.items[3].string)});
    }
    // What comes of the server, STARTTLS and its names, is for the handshake and the session.
    const std::string& expect = c["expect"].string;
    const Use wanted = expect.starts_with("unusable-only") ? Use::encrypt_only
                       : expect.starts_with("no DANE")     ? Use::no
                       : expect == "defer"                 ? Use::defer
                                                           : Use::verify;
    const DanePlan plan = dane_policy(true, false, "mx.test", std::move(answer));
    EXPECT_EQ(plan.use, wanted) << expect;
    if (c["id"].string == "mixed-pkix-ee") EXPECT_EQ(plan.judged.usable.size(), 1u);
  }
}

}  // namespace
}  // namespace godwit::delivery
