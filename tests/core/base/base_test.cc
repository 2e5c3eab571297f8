#include "core/base/ascii.h"
#include "core/base/ip_address.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/base/text_hash.h"
#include "core/base/time.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace godwit {
namespace {

TEST(Ascii, ParsesDecimalsAndRefusesOverflowAndRubbish) {
  EXPECT_EQ(parse_decimal("0"), 0U);
  EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "18446744073709551616", "1x", "-1", " 1", "+1"}) {
    EXPECT_FALSE(parse_decimal(bad).has_value()) << bad;
  }
}

TEST(Ascii, Base62RoundTripsAndKeepsOrder) {
  std::string low;
  std::string high;
  append_base62(low, 61, 6);
  append_base62(high, 62, 6);
  EXPECT_EQ(low, "00000z");
  EXPECT_EQ(high, "000010");
  EXPECT_LT(low, high);
  EXPECT_EQ(parse_base62(high), 62U);
  EXPECT_FALSE(parse_base62("a-b").has_value());
}

TEST(Ascii, EscapesControlCharactersOnly) {
  EXPECT_EQ(escape_control(std::string_view("a\r\n\t\0\x7f\xc3\xa4", 8)),
            "a\\r\\n\\t\\000\\177\xc3\xa4");
}

TEST(Ascii, FindsTheNearestName) {
  EXPECT_EQ(nearest_name("smtp_acept_max", {"smtp_accept_max", "smtp_banner"}), "smtp_accept_max");
  EXPECT_EQ(nearest_name("rdirver", {"driver", "transport"}), "driver");
  EXPECT_EQ(nearest_name("zzzzzzz", {"driver", "transport"}), "");
}

TEST(IpAddress, ParsesAndPrintsBothFamilies) {
  EXPECT_EQ(IpAddress::parse("192.0.2.7")->to_string(), "192.0.2.7");
  EXPECT_EQ(IpAddress::parse("2001:DB8::0:1")->to_string(), "2001:db8::1");
  for (const char* bad :
       {"", "1.2.3", "1.2.3.4.5", "[::1]", "::1%eth0", "256.1.1.1", "1.2.3.4 ", "01.2.3.4",
        "1.2.3.00", "1..2.3", "1.2.3.", "-1.2.3.4", "1.2.3.4294967297"}) {
    EXPECT_FALSE(IpAddress::parse(bad).has_value()) << bad;
  }
}

TEST(TextHash, TellsTextsApart) {
  const TextHash hash;
  std::set<size_t> seen;
  std::string text;
  for (int length = 0; length < 40; ++length) {
    EXPECT_TRUE(seen.insert(hash(text)).second) << length;
    for (size_t at = 0; at < text.size(); ++at) {
      std::string other = text;
      other[at] = 'b';
      EXPECT_TRUE(seen.insert(hash(other)).second) << length << ' ' << at;
    }
    text += 'a';
  }
}

TEST(Cidr, ContainsWhatItsBitsSay) {
  const Cidr network = *Cidr::parse("192.0.2.128/25");
  EXPECT_TRUE(network.contains(*IpAddress::parse("192.0.2.200")));
  EXPECT_FALSE(network.contains(*IpAddress::parse("192.0.2.1")));
  EXPECT_FALSE(network.contains(*IpAddress::parse("::ffff:192.0.2.200")));
  EXPECT_TRUE(Cidr::parse("2001:db8::/33")->contains(*IpAddress::parse("2001:db8:7fff::1")));
  EXPECT_FALSE(Cidr::parse("2001:db8::/33")->contains(*IpAddress::parse("2001:db8:8000::1")));
  EXPECT_TRUE(Cidr::parse("0.0.0.0/0")->contains(*IpAddress::parse("8.8.8.8")));
  EXPECT_FALSE(Cidr::parse("192.0.2.0/33").has_value());
}

TEST(Time, PrintsTheFormsOfLogsAndHeaders) {
  const WallTime at = WallTime::from_seconds(1'000'000'000);
  EXPECT_EQ(format_log_time(at, true), "2001-09-09 01:46:40");
  EXPECT_EQ(format_rfc5322_time(at, true), "Sun, 09 Sep 2001 01:46:40 +0000");
  EXPECT_EQ(format_interval(Seconds{0}), "0s");
  EXPECT_EQ(format_interval(Seconds{5400}), "1h30m");
  EXPECT_EQ(format_interval(Seconds{8 * 86400 + 61}), "1w1d1m1s");
}

TEST(Random, ASeedGivesTheSameRun) {
  Random a(7);
  Random b(7);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next(), b.next());
  for (int i = 0; i < 1000; ++i) EXPECT_LT(a.below(10), 10U);
}

TEST(Error, ErrnoBecomesACodeOfTheRightClass) {
  EXPECT_EQ(error_from_errno(ENOSPC, "write").code(), Errc::disk_full);
  EXPECT_TRUE(error_from_errno(EIO, "sync").is_temporary());
  EXPECT_EQ(error_from_errno(ENOENT, "open /x").code(), Errc::not_found);
}

}  // namespace
}  // namespace godwit
