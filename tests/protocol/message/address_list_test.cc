#include "protocol/message/address_list.h"

#include "generated/source_dir.h"
#include "protocol/message/limits.h"
#include "tests/support/json_cases.h"
#include "tests/support/transcript_runner.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace godwit::message {
namespace {

// "display<address>" of each, parted by "|"; groups in braces after that; "!" for an error.
std::string summary(std::string_view text) {
  const Result<AddressList> list = parse_address_list(text, Utf8::refused);
  if (!list) return "!" + list.error().detail();
  std::string out;
  for (const ListedAddress& item : list->addresses) {
    if (!out.empty()) out += "|";
    out += item.display + "<" + item.address + ">";
    if (item.group >= 0) out += std::to_string(item.group);
  }
  for (const std::string& group : list->groups) out += "{" + group + "}";
  return out;
}

struct Case {
  std::string_view text, want;
};
constexpr std::array kCases{
    Case{"", ""},
    Case{" , ,", ""},
    Case{"a@b.example", "<a@b.example>"},
    Case{"Joe <a@b.example>", "Joe<a@b.example>"},
    Case{"\"Joe, \\\"Big\\\"\" <a@b.example>, c@d.example",
         "Joe, \"Big\"<a@b.example>|<c@d.example>"},
    Case{"Joe Q. Public <a@b.example>", "Joe Q. Public<a@b.example>"},
    Case{"Pete(A nice \\) chap) <pete(his)@silly.test(host)>", "Pete<pete@silly.test>"},
    Case{"a@b.example (Joe (the (first)))", "<a@b.example>"},
    Case{"<@x.example,@y.example:a@b.example>", "<a@b.example>"},
    Case{"a . b @ c . example", "<a.b@c.example>"},
    Case{"\"a b\"@c.example", "<\"a b\"@c.example>"},
    Case{"a@[192.0.2.1]", "<a@[192.0.2.1]>"},
    Case{"Friends: a@b.example, Joe <c@d.example>;, e@f.example",
         "<a@b.example>0|Joe<c@d.example>0|<e@f.example>{Friends}"},
    Case{"undisclosed-recipients:;", "{undisclosed-recipients}"},
    Case{"A:;, B : ;", "{A}{B}"},
    Case{"=?utf-8?q?J=C3=B6?= <a@b.example>", "=?utf-8?q?J=C3=B6?=<a@b.example>"},
    Case{"postmaster", "<postmaster>"},
    Case{"J\xc3\xb6 <a@b.example>", "J\xc3\xb6<a@b.example>"},
    Case{"<>", "<>"},
    Case{"a@b.example\r\n\t, c@d.example\r\n", "<a@b.example>|<c@d.example>"},
    Case{"Joe Public", "!malformed address: Public may not follow Joe"},
    Case{"a@b.example c@d.example", "!malformed address: c@d.example may not follow a@b.example"},
    Case{"<a@b.example", "!'>' missing at end of address"},
    Case{"a@", "!domain missing or malformed"},
    Case{"a@b..example", "!domain missing or malformed"},
    Case{"@b.example", "!missing or malformed local part"},
    Case{"a@[nonsense]", "!domain missing or malformed"},
    Case{"(unclosed", "!unterminated comment"},
    Case{"\"unclosed", "!unterminated quoted string"},
    Case{"A: a@b.example", "!missing terminating semicolon of a group"},
    Case{"A: B: c@d.example;", "!malformed address: : B: c@d.example; may not follow *"},
};

TEST(AddressList, Parses) {
  for (const Case& c : kCases) {
    const std::string have = summary(c.text);
    if (c.want.ends_with('*')) {
      EXPECT_TRUE(have.starts_with("!")) << c.text;
    } else {
      EXPECT_EQ(have, c.want) << c.text;
    }
  }
}

TEST(AddressList, KeepsPlacesForRewriting) {
  constexpr std::string_view kText = "Joe (x) <a@b.example> , c@d.example";
  const Result<AddressList> list = parse_address_list(kText, Utf8::refused);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->addresses.size(), 2u);
  const ListedAddress& first = list->addresses[0];
  EXPECT_EQ(kText.substr(first.spec_offset, first.spec_bytes), "a@b.example");
  EXPECT_EQ(kText.substr(first.item_offset, first.item_bytes), "Joe (x) <a@b.example>");
  const ListedAddress& second = list->addresses[1];
  EXPECT_EQ(kText.substr(second.spec_offset, second.spec_bytes), "c@d.example");
}

TEST(AddressList, IsBounded) {
  EXPECT_FALSE(parse_address_list(std::string(10000, '('), Utf8::refused));
  const std::string nested = std::string(kCommentDepthMax + 1, '(') +
                             std::string(kCommentDepthMax + 1, ')') + "a@b.example";
  EXPECT_FALSE(parse_address_list(nested, Utf8::refused));
  EXPECT_TRUE(
      parse_address_list(nested.substr(1, nested.size() - 13) + "a@b.example", Utf8::refused));
  EXPECT_FALSE(parse_address_list(std::string(65536, '<'), Utf8::refused));
}

TEST(AddressList, OneAddress) {
  EXPECT_EQ(parse_address("Joe <a@b.example>", Utf8::refused, false)->address, "a@b.example");
  EXPECT_FALSE(parse_address("<>", Utf8::refused, false));
  EXPECT_TRUE(parse_address("<>", Utf8::refused, true));
  EXPECT_FALSE(parse_address("a@b.example, c@d.example", Utf8::refused, false));
  EXPECT_FALSE(parse_address("", Utf8::refused, true));
}

// The data has a lenient parser's answers: where it finds an address with a domain and we parse the
// field, we find the same addresses.
void collect(const test::Json& value, std::string& out) {
  if (value["address"].kind == test::Json::Kind::string) out += value["address"].string + "\n";
  for (const test::Json& item : value.items) collect(item, out);
  for (const auto& [name, member] : value.members) collect(member, out);
}

TEST(AddressList, FindsTheAddressesOfTheHeaderData) {
  const std::string path =
      test::shared_data(GODWIT_SOURCE_DIR, "smtp/headers/mail-parser-address.json");
  if (path.empty()) GTEST_SKIP() << "SKIPPED: shared/data/smtp/headers is absent";
  size_t parsed = 0;
  size_t same = 0;
  for (const test::Json& item : test::parse_json(test::read_text(path)).items) {
    const Result<AddressList> list = parse_address_list(item["header"].string, Utf8::allowed);
    if (!list) continue;
    ++parsed;
    std::string have;
    for (const ListedAddress& address : list->addresses) {
      if (!address.address.empty()) have += address.address + "\n";
    }
    std::string want;
    collect(item["expected"], want);
    if (have == want) {
      ++same;
    } else if (std::getenv("GODWIT_VERBOSE") != nullptr) {
      ADD_FAILURE() << item["header"].string << "have\n" << have << "want\n" << want;
    }
  }
  RecordProperty("parsed", static_cast<int>(parsed));
  RecordProperty("same", static_cast<int>(same));
  EXPECT_GT(parsed, 0u);
  EXPECT_GE(same * 100, parsed * 90) << same << " of " << parsed;
}

}  // namespace
}  // namespace godwit::message
