#include "dns/wire/message.h"

#include "dns/wire/limits.h"
#include "dns/wire/name.h"
#include "tests/support/dns_message.h"

#include <gtest/gtest.h>

namespace godwit::dns {
namespace {

using test::a_record;
using test::cname_record;
using test::make_response;
using test::mx_record;
using test::ResponseForm;
using test::soa_record;
using test::txt_record;
using test::wire_name;

Question question(std::string_view name, RrType type) {
  return {*name_to_wire(name), type};
}
std::string answer_to(const Question& asked, const ResponseForm& form) {
  return make_response(encode_query(77, asked, {}), form);
}

TEST(Name, TextBecomesOctetsAndBack) {
  struct Case {
    std::string_view name, text, back;
  };
  const Case cases[] = {
      {"plain", "mx.Example.com", "mx.Example.com"},
      {"with its final dot", "example.com.", "example.com"},
      {"the root", ".", "."},
      {"an escaped dot", "a\\.b.test", "a\\.b.test"},
      {"an odd octet", "a\\000b.test", "a\\000b.test"},
      {"an octet that needs no escape", "\\097.test", "a.test"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Result<std::string> wire = name_to_wire(c.text);
    ASSERT_TRUE(wire);
    EXPECT_EQ(name_to_text(*wire), c.back);
  }
}

TEST(Name, WhatTheDnsCannotHoldIsAnError) {
  const std::string label(64, 'a');
  std::string longest;
  for (int i = 0; i < 64; ++i) longest += "abc.";
  for (const std::string& text : {std::string(), std::string("a..b"), std::string(".a"), label,
                                  longest, std::string("a\\25"), std::string("a\\999")}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(name_to_wire(text));
  }
  EXPECT_TRUE(name_to_wire(std::string(63, 'a')));
}

TEST(Name, PointersOnlyLeadBack) {
  const std::string looping(
      "\x01"
      "a\xc0\x00",
      4);
  size_t at = 0;
  EXPECT_FALSE(read_name(looping, at));
  const std::string forward(
      "\xc0\x02\x01"
      "a\x00",
      5);
  at = 0;
  EXPECT_FALSE(read_name(forward, at));
  const std::string good(
      "\x01"
      "a\x00\x01"
      "b\xc0\x00",
      7);
  at = 3;
  EXPECT_EQ(name_to_text(read_name(good, at).value_or("")), "b.a");
  EXPECT_EQ(at, 7u);
}

TEST(Message, QuestionsCarryWhatWasChosen) {
  QueryForm form;
  form.dnssec_ok = true;
  const std::string query = encode_query(0x1234, question("a.test", RrType::MX), form);
  EXPECT_EQ(query.substr(0, 4), std::string("\x12\x34\x01\x20", 4));
  EXPECT_EQ(query.size(), kHeaderBytes + 8 + 4 + 11);
  EXPECT_EQ(query.substr(query.size() - 4), std::string("\x80\0\0\0", 4));
  form.edns = false;
  EXPECT_EQ(encode_query(1, question("a.test", RrType::MX), form).size(), kHeaderBytes + 8 + 4);
}

TEST(Message, RecordsBecomeTyped) {
  const Question asked = question("a.test", RrType::MX);
  ResponseForm form;
  form.authentic = true;
  form.answers = {mx_record("A.test", 10, "mx1.test"), mx_record("a.test", 20, "."),
                  a_record("a.test", "192.0.2.1"), mx_record("b.test", 1, "other.test")};
  const Result<Response> response = parse_response(answer_to(asked, form), asked);
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_TRUE(response->authentic);
  ASSERT_EQ(response->records.size(), 2u);
  EXPECT_EQ(*response->records[0].as<Mx>(), (Mx{10, "mx1.test"}));
  EXPECT_EQ(*response->records[1].as<Mx>(), (Mx{20, "."}));
  EXPECT_EQ(response->ttl_seconds, 300u);
}

TEST(Message, EveryTypeIsRead) {
  struct Case {
    RrType type;
    std::string data;
    decltype(Record::data) want;
  };
  const std::string zeros(16, '\0');
  const std::string soa = test::soa_record("x", 1, 60).data;
  const Case cases[] = {
      {RrType::A, std::string("\xc0\x00\x02\x01", 4), IpAddress::v4(0xc0000201)},
      {RrType::AAAA, zeros, IpAddress::v6({})},
      {RrType::PTR, wire_name("h.test"), HostName{"h.test"}},
      {RrType::NS, wire_name("h.test"), HostName{"h.test"}},
      {RrType::CNAME, wire_name("h.test"), HostName{"h.test"}},
      {RrType::TXT, "\x02hi\x01!", Txt{{"hi", "!"}}},
      {RrType::SPF, "\x01x", Txt{{"x"}}},
      {RrType::SRV, std::string("\0\1\0\2\0\x19", 6) + wire_name("h.test"),
       Srv{1, 2, 25, "h.test"}},
      {RrType::TLSA, "\x03\x01\x01zz", Tlsa{3, 1, 1, "zz"}},
      {RrType::SOA, soa, Soa{"ns.test", "root.test", 1, 2, 3, 4, 60}},
      {static_cast<RrType>(65), "raw", RawData{"raw"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(to_string(c.type));
    const Question asked = question("a.test", c.type);
    ResponseForm form;
    form.answers = {{"a.test", c.type, c.data, 60}};
    const Result<Response> response = parse_response(answer_to(asked, form), asked);
    ASSERT_TRUE(response) << response.error().to_string();
    ASSERT_EQ(response->records.size(), 1u);
    EXPECT_TRUE(response->records[0].data == c.want);
  }
}

TEST(Message, DataOfTheWrongSizeIsMalformed) {
  struct Case {
    RrType type;
    std::string data;
  };
  const Case cases[] = {
      {RrType::A, "abc"},      {RrType::AAAA, "abcd"},
      {RrType::MX, "ab"},      {RrType::MX, "ab" + wire_name("h.test") + "x"},
      {RrType::TXT, "\x05hi"}, {RrType::SRV, "abcdef"},
      {RrType::TLSA, "ab"},    {RrType::PTR, ""},
      {RrType::PTR, "\x05hi"}, {RrType::SOA, wire_name("a") + wire_name("b") + "short"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(to_string(c.type) + " of " + std::to_string(c.data.size()));
    const Question asked = question("a.test", c.type);
    ResponseForm form;
    form.answers = {{"a.test", c.type, c.data, 60}};
    const Result<Response> response = parse_response(answer_to(asked, form), asked);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code(), Errc::malformed);
  }
}

TEST(Message, AliasesAreFollowed) {
  const Question asked = question("a.test", RrType::A);
  ResponseForm form;
  form.answers = {cname_record("a.test", "b.test", 50), cname_record("b.test", "c.test", 400),
                  a_record("c.test", "192.0.2.9", 600)};
  const Result<Response> response = parse_response(answer_to(asked, form), asked);
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->has_alias);
  EXPECT_EQ(response->name, "c.test");
  EXPECT_EQ(response->ttl_seconds, 50u);
  ASSERT_EQ(response->records.size(), 1u);
}

TEST(Message, ALoopOfAliasesIsMalformed) {
  const Question asked = question("a.test", RrType::A);
  ResponseForm form;
  form.answers = {cname_record("a.test", "b.test"), cname_record("b.test", "a.test")};
  EXPECT_FALSE(parse_response(answer_to(asked, form), asked));
}

TEST(Message, AChainThatEndsWithoutAWordIsUnfinished) {
  const Question asked = question("a.test", RrType::A);
  ResponseForm form;
  form.answers = {cname_record("a.test", "b.test")};
  Result<Response> response = parse_response(answer_to(asked, form), asked);
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->is_unfinished);
  EXPECT_EQ(response->name, "b.test");
  form.authorities = {soa_record("test", 60, 30)};
  response = parse_response(answer_to(asked, form), asked);
  ASSERT_TRUE(response);
  EXPECT_FALSE(response->is_unfinished);
  EXPECT_EQ(response->ttl_seconds, 30u);
}

TEST(Message, AnAnswerToAnotherQuestionIsRefused) {
  const Question asked = question("a.test", RrType::A);
  EXPECT_FALSE(parse_response(answer_to(question("b.test", RrType::A), {}), asked));
  EXPECT_FALSE(parse_response(answer_to(question("a.test", RrType::MX), {}), asked));
  EXPECT_TRUE(parse_response(answer_to(question("A.TEST", RrType::A), {}), asked));
}

TEST(Message, WhateverIsCutOffIsAnErrorAndNoMore) {
  const Question asked = question("a.test", RrType::MX);
  ResponseForm form;
  form.answers = {mx_record("a.test", 10, "mx1.test"), txt_record("a.test", "hello")};
  form.authorities = {soa_record("test", 60, 30)};
  const std::string whole = answer_to(asked, form);
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_response(std::string_view(whole).substr(0, size), asked)) << size;
  EXPECT_TRUE(parse_response(whole, asked));
}

}  // namespace
}  // namespace godwit::dns
