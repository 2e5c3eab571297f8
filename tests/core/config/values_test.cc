#include "core/config/values.h"

#include "core/config/log_selector.h"
#include "core/config/main_options.h"
#include "tests/core/config/support.h"

#include <gtest/gtest.h>

#include <set>

namespace godwit::config {
namespace {

struct NumberCase {
  std::string_view input;
  std::optional<int64_t> want;
};

TEST(Values, Integers) {
  constexpr NumberCase kCases[] = {
      {"0", 0},
      {"10", 10},
      {"-1", -1},
      {"0x1f", 31},
      {"017", 15},
      {"10K", 10240},
      {"50M", 52428800},
      {"1g", 1073741824},
      {"0x1fK", 31744},
      {"", {}},
      {"x", {}},
      {"08", {}},
      {"10 K", {}},
      {"K", {}},
      {"1.5", {}},
      {"99999999999999999999", {}},
      {"9223372036854775807", INT64_MAX},
      {"9223372036854775807K", {}},
      {"--1", {}},
  };
  for (const NumberCase& c : kCases) {
    SCOPED_TRACE(c.input);
    const Result<int64_t> got = parse_integer(c.input);
    EXPECT_EQ(got ? std::optional(*got) : std::nullopt, c.want);
  }
}

TEST(Values, OctalAndFixedPoint) {
  EXPECT_EQ(*parse_octal("0640"), 0640);
  EXPECT_EQ(*parse_octal("640"), 0640);
  EXPECT_FALSE(parse_octal("8"));
  EXPECT_EQ(*parse_fixed("1.5"), 1500);
  EXPECT_EQ(*parse_fixed("12"), 12000);
  EXPECT_EQ(*parse_fixed("0.0625"), 62);
  EXPECT_FALSE(parse_fixed("1.x"));
  EXPECT_FALSE(parse_fixed(".5"));
  EXPECT_FALSE(parse_fixed(""));
}

TEST(Values, Times) {
  constexpr NumberCase kCases[] = {
      {"1h30m", 5400},
      {"90m", 5400},
      {"0s", 0},
      {"2w3d", 1468800},
      {"3m2h", 7380},
      {"30", {}},
      {"1h 30m", {}},
      {"", {}},
      {"h", {}},
      {"1x", {}},
      {"99999999999999999999s", {}},
      {"9999999999w", {}},
  };
  for (const NumberCase& c : kCases) {
    SCOPED_TRACE(c.input);
    const Result<Seconds> got = parse_time(c.input);
    EXPECT_EQ(got ? std::optional(got->count) : std::nullopt, c.want);
  }
}

TEST(Values, QuotedStrings) {
  struct Case {
    std::string_view input, want, problem;
  };
  constexpr Case kCases[] = {
      {"plain text", "plain text", ""},
      {"\"a b\"  ", "a b", ""},
      {"\"x \\x41\\101\\q\\n\\\\\\\"\"", "x AAq\n\\\"", ""},
      {"\"open", "open", "missing quote at the end of the string"},
      {"\"a\" b", "a", "extra characters after the closing quote"},
      {"\"a\\", "a\\", "missing quote at the end of the string"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.input);
    std::optional<QuoteProblem> problem;
    EXPECT_EQ(unquote(LocatedText(std::string(c.input)), problem).text(), c.want);
    EXPECT_EQ(problem ? problem->message : "", c.problem);
  }
}

TEST(Values, Lists) {
  struct Case {
    std::string_view input;
    std::vector<std::string> want;
  };
  const Case cases[] = {
      {"", {}},
      {" ", {}},
      {"a", {"a"}},
      {"a:b:", {"a", "b"}},
      {" a : b ", {"a", "b"}},
      {":", {""}},
      {"a: :b", {"a", "", "b"}},
      {"a::b", {"a:b"}},
      {"<; ::1 ; 2001::db8", {"::1", "2001::db8"}},
      {"<;a;;b", {"a;b"}},
      {"<\n a\n\nb", {"a", "", "b"}},
      {"<x", {"<x"}},
      {":: ::1", {": :1"}},
      {"::::1 : 25", {"::1", "25"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.input);
    EXPECT_EQ(split_list(c.input), c.want);
  }
}

TEST(LogSelectors, ApplyToTheDefaults) {
  Diagnostics diagnostics;
  const auto selectors =
      LogSelectors::parse(LocatedText("+subject -queue_run\n+ tls_sni"), diagnostics);
  EXPECT_EQ(diagnostics.render_all(), "");
  EXPECT_TRUE(selectors.has(LogSelector::subject));
  EXPECT_TRUE(selectors.has(LogSelector::tls_sni));
  EXPECT_FALSE(selectors.has(LogSelector::queue_run));
  EXPECT_TRUE(selectors.has(LogSelector::smtp_confirmation));
  const auto all = LogSelectors::parse(LocatedText("+all -pid"), diagnostics);
  EXPECT_TRUE(all.has(LogSelector::millisec));
  EXPECT_FALSE(all.has(LogSelector::pid));
  LogSelectors::parse(LocatedText("+subjct"), diagnostics);
  ASSERT_EQ(diagnostics.error_count(), 1u);
  EXPECT_EQ(diagnostics.all()[0].hint, "did you mean \"subject\"?");
}

TEST(MainOptions, EveryRowHasAUniqueNameAndDocumentation) {
  std::set<std::string_view> names;
  for (const auto& row : main_option_rows()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_FALSE(row.doc.empty()) << row.name;
  }
  EXPECT_GE(names.size(), 282u);
  for (const OptionAlias& alias : main_option_aliases()) {
    EXPECT_TRUE(names.contains(alias.name)) << alias.name;
    EXPECT_FALSE(names.contains(alias.old_name)) << alias.old_name;
  }
}

TEST(MainOptions, HaveTheirDefaults) {
  Diagnostics diagnostics;
  const MainOptions options = apply_main_options(ConfigDocument(), diagnostics);
  EXPECT_TRUE(options.smtp_enforce_sync);
  EXPECT_EQ(options.smtp_accept_max, 20);
  EXPECT_EQ(options.timeout_frozen_after.count, 0);
  EXPECT_EQ(options.ignore_bounce_errors_after.count, 10 * 7 * 86400);
  EXPECT_EQ(options.bounce_return_size_limit, 100 * 1024);
  EXPECT_EQ(options.enhanced_status_advertise_hosts.text.text(), "*");
  EXPECT_FALSE(options.acl_smtp_rcpt.is_set);
  EXPECT_EQ(options.bare_newline(), BareNewline::reject);
  EXPECT_EQ(options.smtp_load_reserve.thousandths, -1);
  EXPECT_EQ(options.delay_warning, TimeList{{86400}});
  EXPECT_EQ(options.workers, 0);
}

TEST(MainOptions, TakeEveryTypeAndOldSpellings) {
  Diagnostics diagnostics;
  const auto document = read_text(
      "no_smtp_enforce_sync\nprdr_enable = yes\nnot_message_logs\nsmtp_load_reserve = 2.5\n"
      "auto_thaw = 2d\ndelay_warning = 4h:8h\ntrusted_users = <; a ; b\n"
      "proxy_required_hosts = 10.0.0.0/8\nacl_data_smtp_prdr = deny\n"
      "smtp_bare_newline = keep\nsmtp_banner = \"x\\ty\"\nlog_selector = +pid\n"
      "message_size_limit = 10M\ntls_advertise_hosts =\n",
      diagnostics);
  const MainOptions options = apply_main_options(document, diagnostics);
  EXPECT_EQ(diagnostics.render_all(), "");
  EXPECT_FALSE(options.smtp_enforce_sync);
  EXPECT_TRUE(options.prdr_enable);
  EXPECT_FALSE(options.message_logs);
  EXPECT_EQ(options.smtp_load_reserve.thousandths, 2500);
  EXPECT_EQ(options.auto_thaw.count, 2 * 86400);
  EXPECT_EQ(options.delay_warning.size(), 2u);
  EXPECT_EQ(options.trusted_users, (PlainList{"a", "b"}));
  EXPECT_EQ(options.hosts_proxy.text.text(), "10.0.0.0/8");
  EXPECT_EQ(options.acl_smtp_data_prdr.text.text(), "deny");
  EXPECT_EQ(options.bare_newline(), BareNewline::keep);
  EXPECT_EQ(options.smtp_banner.text.text(), "x\ty");
  EXPECT_TRUE(options.log_selector.has(LogSelector::pid));
  EXPECT_TRUE(options.tls_advertise_hosts.is_set);
  EXPECT_EQ(options.tls_advertise_hosts.text.text(), "");
}

struct Generic {
  std::string transport;
  ExpandTexts condition;
};
struct Private {
  int64_t port = 0;
  Mode mode;
  ExpandBool more;
};
constexpr auto kGenericRows = std::to_array<OptionRow<Generic>>({
    {"transport", &Generic::transport, "", Effect::now, "x"},
    {"condition", &Generic::condition, "", Effect::now, "x"},
});
constexpr auto kPrivateRows = std::to_array<OptionRow<Private>>({
    {"port", &Private::port, "25", Effect::now, "x"},
    {"mode", &Private::mode, "0600", Effect::now, "x"},
    {"more", &Private::more, "true", Effect::now, "x"},
});

TEST(Options, OfADriverAreThoseOfTwoTables) {
  Diagnostics diagnostics;
  const auto document = read_text(
      "begin routers\nr:\n driver = x\n condition = a\n condition = b\n no_more\n port = 26\n"
      " tranport = t\n port = 27\n mode = 9\n",
      diagnostics);
  Generic generic;
  Private own;
  OptionTarget<Generic> generic_target(kGenericRows, generic);
  OptionTarget<Private> own_target(kPrivateRows, own);
  EXPECT_EQ(own.mode.bits, 0600);
  apply_settings(document.routers[0].settings, {&generic_target, &own_target}, diagnostics,
                 "x router");
  EXPECT_EQ(generic.condition.size(), 2u);
  EXPECT_EQ(own.port, 26);
  EXPECT_EQ(own.more.text.text(), "false");
  ASSERT_EQ(diagnostics.error_count(), 3u);
  EXPECT_EQ(diagnostics.all()[0].message, "x router option \"tranport\" is unknown");
  EXPECT_EQ(diagnostics.all()[0].hint, "did you mean \"transport\"?");
  EXPECT_EQ(diagnostics.all()[1].message, "option \"port\" is set a second time");
  EXPECT_EQ(diagnostics.all()[2].message, "\"mode\": \"9\" is not an octal number");
}

TEST(Options, TellMissingUnavailableAndUnknownDriversApart) {
  Diagnostics diagnostics;
  const auto document = read_text(
      "begin routers\na:\n driver = manualroute\nb:\n driver = redirect\nc:\n x = y\n"
      "d:\n driver = manualrout\n",
      diagnostics);
  constexpr DriverRow kDrivers[] = {{"manualroute", true}, {"redirect", false}};
  std::vector<std::optional<size_t>> found;
  for (const Instance& instance : document.routers) {
    found.push_back(find_driver(instance, kDrivers, "router", diagnostics));
  }
  EXPECT_EQ(found, (std::vector<std::optional<size_t>>{0, {}, {}, {}}));
  ASSERT_EQ(diagnostics.error_count(), 3u);
  EXPECT_EQ(diagnostics.all()[0].message, "the router driver \"redirect\" is not available yet");
  EXPECT_EQ(diagnostics.all()[1].message, "router \"c\" has no driver");
  EXPECT_EQ(diagnostics.all()[2].hint, "did you mean \"manualroute\"?");
}

}  // namespace
}  // namespace godwit::config
