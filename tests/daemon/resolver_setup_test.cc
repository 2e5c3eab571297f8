#include "daemon/resolver_setup.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

namespace godwit::daemon {
namespace {

std::string servers(std::string_view text, std::string* problems = nullptr) {
  config::Diagnostics diagnostics;
  std::string out;
  for (const Endpoint& server : parse_dns_servers(text, diagnostics))
    out += (out.empty() ? "" : " ") + server.to_string();
  if (problems != nullptr) *problems = diagnostics.render_all();
  return out;
}

TEST(DnsServers, AreReadInEverySpelling) {
  EXPECT_EQ(servers(""), "");
  EXPECT_EQ(servers("127.0.0.1"), "[127.0.0.1]:53");
  EXPECT_EQ(servers("127.0.0.1:5301 : 192.0.2.53"), "[127.0.0.1]:5301 [192.0.2.53]:53");
  EXPECT_EQ(servers("<; [2001:db8::53]:54 ; 2001:db8::1;192.0.2.1:55"),
            "[2001:db8::53]:54 [2001:db8::1]:53 [192.0.2.1]:55");
  std::string problems;
  EXPECT_EQ(servers("ns.test 192.0.2.1:0 10.0.0.1", &problems), "[10.0.0.1]:53");
  EXPECT_NE(problems.find("ns.test"), std::string::npos);
  EXPECT_NE(problems.find("192.0.2.1:0"), std::string::npos);
}

TEST(DnsServers, AreTrustedByNetwork) {
  const IpAddress loopback = *IpAddress::parse("127.0.0.53");
  const IpAddress other = *IpAddress::parse("192.0.2.1");
  EXPECT_TRUE(is_trusted_upstream("loopback", loopback));
  EXPECT_FALSE(is_trusted_upstream("loopback", other));
  EXPECT_TRUE(is_trusted_upstream("loopback : 192.0.2.0/24", other));
  EXPECT_TRUE(is_trusted_upstream("*", other));
  EXPECT_FALSE(is_trusted_upstream("", loopback));
}

class ConfiguredNamesTest : public testing::Test {
 protected:
  std::shared_ptr<const ServerConfig> load(const std::string& options) {
    const std::filesystem::path path =
        std::filesystem::path(testing::TempDir()) / "resolver_setup_test.conf";
    std::ofstream(path) << "primary_hostname = mx.test\n" << options;
    config::Diagnostics diagnostics;
    LoadOptions load;
    load.path = path;
    auto config = load_config(load, diagnostics);
    problems_ = diagnostics.render_all();
    std::filesystem::remove(path);
    return config;
  }
  std::string problems_;
};

TEST_F(ConfiguredNamesTest, TheDefaultPatternIsUnderstoodWithoutARegex) {
  const auto config = load("");
  ASSERT_EQ(problems_, "");
  const ConfiguredNames names(*config);
  const Result<acl::Regex> pattern =
      acl::Regex::compile(config->options().dns_check_names_pattern, false);
  ASSERT_TRUE(pattern);
  for (std::string_view name :
       {"a.test", "a_b.test", "_a.test", "a-b.c-d.test.", "-a.test", "a-.test", "a..test",
        "a b.test", "a/b.test", "x", "9.9", ".", "a@b.test"}) {
    EXPECT_EQ(names.is_askable(name, dns::RrType::A), *pattern->search(name)) << name;
  }
  EXPECT_TRUE(names.is_askable("a b.test", dns::RrType::TXT));
  EXPECT_TRUE(names.is_askable("-.in-addr.arpa", dns::RrType::PTR));
  EXPECT_FALSE(names.is_askable("_25._tcp.a b.test", dns::RrType::TLSA));
}

TEST_F(ConfiguredNamesTest, ListsAndPatternsOfTheConfigurationCount) {
  const auto config = load(
      "dns_again_means_nonexist = *.slow.test\ndns_trust_aa = mine.test\n"
      "dns_check_names_pattern = ^[a-z.]+\\$\n");
  ASSERT_EQ(problems_, "");
  const ConfiguredNames names(*config);
  EXPECT_TRUE(names.failure_means_nonexistent("a.slow.test"));
  EXPECT_FALSE(names.failure_means_nonexistent("a.test"));
  EXPECT_TRUE(names.trusts_authority("mine.test"));
  EXPECT_FALSE(names.trusts_authority("yours.test"));
}

TEST_F(ConfiguredNamesTest, MistakesAreReportedAtLoad) {
  load("dns_servers = resolver.test\n");
  EXPECT_NE(problems_.find("dns_servers"), std::string::npos);
  load("dns_trust_ad_from = nearby\n");
  EXPECT_NE(problems_.find("dns_trust_ad_from"), std::string::npos);
  load("dns_check_names_pattern = (\n");
  EXPECT_NE(problems_.find("dns_check_names_pattern"), std::string::npos);
}

}  // namespace
}  // namespace godwit::daemon
