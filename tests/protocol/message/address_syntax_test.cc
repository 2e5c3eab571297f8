#include "protocol/message/address_syntax.h"

#include "generated/source_dir.h"
#include "protocol/message/limits.h"
#include "protocol/smtp/command.h"
#include "tests/support/json_cases.h"
#include "tests/support/transcript_runner.h"

#include <gtest/gtest.h>

#include <array>
#include <sstream>
#include <string>

namespace godwit::message {
namespace {

struct Case {
  std::string_view text;
  bool valid;
};

constexpr std::array kDomains{
    Case{"example.org", true},
    Case{"localhost", true},
    Case{"a-b.c", true},
    Case{"xn--p1ai.test", true},
    Case{"_dmarc.test", true},
    Case{"1.2.3", true},
    Case{"", false},
    Case{".", false},
    Case{"a..b", false},
    Case{"a.", false},
    Case{".a", false},
    Case{"-a.b", false},
    Case{"a-.b", false},
    Case{"a b", false},
    Case{"a/b", false},
    Case{"[192.0.2.1]", false},
    Case{"m\xc3\xbc.test", false},
};

TEST(AddressSyntax, Domains) {
  for (const Case& c : kDomains) EXPECT_EQ(is_domain(c.text, Utf8::refused), c.valid) << c.text;
  EXPECT_TRUE(is_domain("m\xc3\xbc.test", Utf8::allowed));
  EXPECT_FALSE(is_domain("m\xc3.test", Utf8::allowed));
  EXPECT_TRUE(is_domain(std::string(63, 'a') + ".b", Utf8::refused));
  EXPECT_FALSE(is_domain(std::string(64, 'a') + ".b", Utf8::refused));
  std::string labels;
  for (int n = 0; n < 127; ++n) labels += "a.";
  EXPECT_TRUE(is_domain(labels + "a", Utf8::refused));
  EXPECT_FALSE(is_domain(labels + "aa", Utf8::refused));
}

constexpr std::array kLocalParts{
    Case{"a", true},        Case{"a.b", true},
    Case{"a+b=c", true},    Case{"!#$%&'*+-/=?^_`{|}~", true},
    Case{"\"a b\"", true},  Case{"\"a\\\"b\"", true},
    Case{"\"\"", true},     Case{"", false},
    Case{".a", true},       Case{"a.", true},
    Case{"a..b", true},     Case{"a b", false},
    Case{"a\"b\"", false},  Case{"\"a", false},
    Case{"\"a\\\"", false}, Case{"\"a\nb\"", false},
    Case{"a@b", false},     Case{"(a)", false},
    Case{"a\\b", false},    Case{"\xc3\xbc", false},
};

TEST(AddressSyntax, LocalParts) {
  for (const Case& c : kLocalParts) {
    EXPECT_EQ(is_local_part(c.text, Utf8::refused), c.valid) << c.text;
  }
  EXPECT_TRUE(is_local_part("\xc3\xbc", Utf8::allowed));
  EXPECT_TRUE(is_local_part(std::string(kLocalPartBytesMax, 'a'), Utf8::refused));
  EXPECT_FALSE(is_local_part(std::string(kLocalPartBytesMax + 1, 'a'), Utf8::refused));
}

constexpr std::array kLiterals{
    Case{"[192.0.2.1]", true},          Case{"[IPv6:2001:db8::1]", true},
    Case{"[ipv6:::1]", true},           Case{"[192.0.2.256]", false},
    Case{"[IPv6:192.0.2.1]", false},    Case{"[]", false},
    Case{"[192.0.2.1", false},          Case{"192.0.2.1", false},
    Case{"[IPv6:fe80::1%eth0]", false},
};

TEST(AddressSyntax, Literals) {
  for (const Case& c : kLiterals) EXPECT_EQ(is_address_literal(c.text), c.valid) << c.text;
}

constexpr std::array kUtf8{
    Case{"", true},
    Case{"abc", true},
    Case{"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", true},
    Case{"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", true},
    Case{"\xc0\xaf", false},
    Case{"\xe0\x80\xaf", false},
    Case{"\xf0\x80\x80\xaf", false},
    Case{"\xed\xa0\x80", false},
    Case{"\xf4\x90\x80\x80", false},
    Case{"\xff", false},
    Case{"\x80", false},
    Case{"\xe2\x82", false},
};

TEST(AddressSyntax, Utf8IsStrict) {
  for (const Case& c : kUtf8) EXPECT_EQ(is_utf8(c.text), c.valid) << c.text;
}

TEST(AddressSyntax, QuotingRoundTrips) {
  EXPECT_EQ(quote_local_part("a.b"), "a.b");
  EXPECT_EQ(quote_local_part("a b\"c\\"), "\"a b\\\"c\\\\\"");
  EXPECT_EQ(unquote_local_part("\"a b\\\"c\\\\\""), "a b\"c\\");
  EXPECT_EQ(split_address("\"a@b\"@c").local_part, "\"a@b\"");
  EXPECT_EQ(split_address("\"a@b\"").domain, "");
  EXPECT_EQ(split_address("a").local_part, "a");
}

bool is_path(const std::string& address) {
  smtp::RcptCommand command;
  const auto failure =
      smtp::parse_rcpt("<" + address + ">", smtp::Offer(), smtp::PathRules(), true, false, command);
  return failure.code == 0 && !command.path.domain.empty();
}

// Where the list's own policy is not ours.
bool is_excepted(const std::string& diagnosis) {
  constexpr std::array<std::string_view, 8> kOurs{
      "ISEMAIL_RFC5321_IPV6DEPRECATED",  // accepted here
      "ISEMAIL_RFC5321_ADDRESSLITERAL",  // accepted where the literal is an address
      "ISEMAIL_RFC5322_TOOLONG",         // up to 510 bytes are accepted
      "ISEMAIL_RFC5322_LOCAL_TOOLONG",   // up to 255 bytes are accepted
      "ISEMAIL_ERR_DOMAINHYPHENEND",
      "ISEMAIL_ERR_DOT_START",  // dots may stand anywhere in a local part, as Exim has it
      "ISEMAIL_ERR_DOT_END",
      "ISEMAIL_ERR_CONSECUTIVEDOTS",
  };
  for (const std::string_view name : kOurs) {
    if (diagnosis == name) return true;
  }
  return false;
}

TEST(AddressSyntax, AgreesWithIsemailAboutSmtpPaths) {
  const std::string path = test::shared_data(GODWIT_SOURCE_DIR, "smtp/addresses/isemail.json");
  if (path.empty()) GTEST_SKIP() << "SKIPPED: shared/data/smtp/addresses is absent";
  size_t checked = 0;
  for (const test::Json& item : test::parse_json(test::read_text(path)).items) {
    const std::string& category = item["category"].string;
    if (is_excepted(item["diagnosis"].string)) continue;
    SCOPED_TRACE(item["address"].string + " " + item["diagnosis"].string);
    const bool good = category == "ISEMAIL_VALID_CATEGORY" || category == "ISEMAIL_DNSWARN" ||
                      category == "ISEMAIL_RFC5321";
    EXPECT_EQ(is_path(item["address"].string), good);
    ++checked;
  }
  EXPECT_GT(checked, 90u);
}

}  // namespace
}  // namespace godwit::message
