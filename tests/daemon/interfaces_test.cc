#include "daemon/interfaces.h"

#include <gtest/gtest.h>

#include <string>

namespace godwit::daemon {
namespace {

std::string text_of(const std::vector<IpAddress>& addresses) {
  std::string out;
  for (const IpAddress& address : addresses) out += address.to_string() + " ";
  return out;
}

const std::vector<IpAddress>& machine() {
  static const std::vector<IpAddress> addresses{
      *IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1"), *IpAddress::parse("192.0.2.1"),
      *IpAddress::parse("192.0.2.2"), *IpAddress::parse("2001:db8::1")};
  return addresses;
}

TEST(Interfaces, AreWrittenWithOrWithoutAPort) {
  struct Case {
    const char* item;
    const char* address;
    uint16_t port;
  };
  for (const Case& c :
       {Case{"192.0.2.1", "192.0.2.1", 0}, Case{"192.0.2.1.25", "192.0.2.1", 25},
        Case{"[192.0.2.1]:smtps", "192.0.2.1", 465}, Case{"::1", "::1", 0},
        Case{"[::1]:587", "::1", 587}, Case{"::1.25", "::1", 25}, Case{"::0", "::", 0}}) {
    const auto at = parse_interface(c.item);
    ASSERT_TRUE(at) << c.item;
    EXPECT_EQ(at->address, *IpAddress::parse(c.address)) << c.item;
    EXPECT_EQ(at->port, c.port) << c.item;
  }
  for (const char* item : {"", "mx.test", "192.0.2", "[::1", "[::1]25", "192.0.2.1.x", "::1.70000"})
    EXPECT_FALSE(parse_interface(item)) << item;
}

TEST(LocalAddresses, AreThoseOfTheMachineWhereTheListIsAWildcard) {
  EXPECT_EQ(text_of(local_addresses({"<; ::0 ; 0.0.0.0", ""}, machine())),
            "::1 2001:db8::1 127.0.0.1 192.0.2.1 192.0.2.2 ");
  EXPECT_EQ(text_of(local_addresses({"0.0.0.0", ""}, machine())), "127.0.0.1 192.0.2.1 192.0.2.2 ");
}

TEST(LocalAddresses, AreTheListedOnesAndTheExtraOnesWithoutPorts) {
  EXPECT_EQ(text_of(local_addresses({"127.0.0.1 : 192.0.2.1.2525", ""}, machine())),
            "127.0.0.1 192.0.2.1 ");
  EXPECT_EQ(text_of(local_addresses({"127.0.0.1", "<; 198.51.100.1 ; ::0"}, machine())),
            "127.0.0.1 198.51.100.1 ::1 2001:db8::1 ");
}

}  // namespace
}  // namespace godwit::daemon
