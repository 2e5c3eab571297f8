#include "protocol/socks/client_negotiation.h"

#include <gtest/gtest.h>

#include <array>

namespace godwit::socks {
namespace {

using State = ClientNegotiation::State;
using namespace std::string_literals;

Request request(bool with_name, std::string_view address = "192.0.2.1") {
  return {{*IpAddress::parse(address), 25}, with_name, "me", "secret"};
}

// Feeds each answer byte by byte; gives all that was said.
std::string converse(ClientNegotiation& negotiation, std::string_view answers) {
  std::string said = negotiation.take_output();
  for (const char& byte : answers) {
    negotiation.receive({&byte, 1});
    said += negotiation.take_output();
  }
  return said;
}

TEST(SocksClient, ConnectsWithoutAuthentication) {
  ClientNegotiation negotiation(request(false));
  EXPECT_EQ(converse(negotiation, "\5\0\5\0\0\1\x7f\0\0\1\x04\0"s),
            "\5\1\0\5\1\0\1\xc0\0\2\1\0\x19"s);
  EXPECT_EQ(negotiation.state(), State::open);
  EXPECT_EQ(negotiation.take_rest(), "");
}

TEST(SocksClient, KeepsWhatTheFarHostSaysAtOnce) {
  ClientNegotiation negotiation(request(false));
  negotiation.receive(
      "\5\0\5\0\0\3\2ab\x04\0"
      "220 hello\r\n"s);
  EXPECT_EQ(negotiation.state(), State::open);
  EXPECT_EQ(negotiation.take_rest(), "220 hello\r\n");
}

TEST(SocksClient, SendsNameAndPassword) {
  ClientNegotiation negotiation(request(true, "2001:db8::1"));
  const std::string said = converse(negotiation, "\5\2\1\0\5\0\0\4"s + std::string(18, '\0'));
  EXPECT_EQ(said.substr(0, 14), "\5\1\2\1\2me\6secret"s);
  EXPECT_EQ(said.substr(14, 5), "\5\1\0\4\x20"s);
  EXPECT_EQ(said.size(), 14u + 22u);
  EXPECT_EQ(negotiation.state(), State::open);
}

struct Refusal {
  std::string_view name;
  bool with_name;
  std::string answers;
  std::string_view problem;
};
TEST(SocksClient, SaysWhyItFailed) {
  const std::array cases{
      Refusal{"version 4", false, "\4\0"s, "the proxy does not speak SOCKS 5"},
      Refusal{"HTTP", false, "HTTP/1.0 400"s, "the proxy does not speak SOCKS 5"},
      Refusal{"no method", false, "\5\xff"s, "the proxy accepts no authentication method of ours"},
      Refusal{"another method", true, "\5\0"s,
              "the proxy accepts no authentication method of ours"},
      Refusal{"password", true, "\5\2\1\1"s, "the proxy refuses name and password"},
      Refusal{"login version", true, "\5\2\5\0"s, "malformed answer of the proxy to the password"},
      Refusal{"refused", false, "\5\0\5\5"s, "the proxy cannot connect: connection refused"},
      Refusal{"unknown code", false, "\5\0\5\x63"s, "the proxy cannot connect: code 99"},
      Refusal{"address type", false, "\5\0\5\0\0\2\0"s, "malformed answer of the proxy"},
  };
  for (const Refusal& row : cases) {
    SCOPED_TRACE(row.name);
    ClientNegotiation negotiation(request(row.with_name));
    converse(negotiation, row.answers);
    EXPECT_EQ(negotiation.state(), State::failed);
    EXPECT_EQ(negotiation.problem(), row.problem);
  }
}

TEST(SocksClient, WaitsForAWholeAnswer) {
  const std::string answers = "\5\0\5\0\0\1\x7f\0\0\1\x04"s;
  ClientNegotiation negotiation(request(false));
  converse(negotiation, answers);
  EXPECT_EQ(negotiation.state(), State::waiting);
}

}  // namespace
}  // namespace godwit::socks
