// Conditions that ask: dnslists, verify. One case is the ACL of RCPT (or DATA) and what comes of
// it.
#include "acl/expand/client.h"
#include "acl/expand/services.h"
#include "acl/policy/policy.h"
#include "acl/policy/run.h"
#include "acl/policy/verify_headers.h"
#include "tests/acl/support.h"
#include "tests/support/scripted_resolver.h"

#include <gtest/gtest.h>

namespace godwit::acl {
namespace {

// Knows "good@..." and "slow@..."; everybody else does not exist.
class ScriptedVerifier final : public AddressVerifier {
 public:
  std::vector<std::string> asked;

  Answer verify(const Question& question, EvalContext& context) override {
    asked.push_back(context.verify_mode + " " + question.address +
                    (question.callout ? " callout" : ""));
    Answer answer;
    if (question.quota) {
      asked.back() += " quota " + std::to_string(question.quota->positive.count) + " " +
                      std::to_string(question.quota->negative.count);
      answer.verdict = question.address.starts_with("good@") ? Verdict::ok : Verdict::failed;
      answer.log_message = "Over quota";
      answer.failure_kind = "quota";
      return answer;
    }
    answer.verdict = question.address.starts_with("good@")   ? Verdict::ok
                     : question.address.starts_with("slow@") ? Verdict::deferred
                                                             : Verdict::failed;
    answer.address_data = "data of " + question.address;
    if (answer.verdict == Verdict::ok) return answer;
    answer.user_message = "Unknown user";
    answer.log_message = "no such user";
    answer.failure_kind = question.callout ? "recipient" : "route";
    answer.is_callout = question.callout.has_value();
    return answer;
  }
};

class AskingAcl : public testing::Test {
 protected:
  AskingAcl() {
    services_.resolver = &resolver_;
    services_.verifier = &verifier_;
    facts_.context.services = &services_;
    facts_.context.client = &client_;
  }

  // "accept", "deny: user | log", and what the log got.
  std::string run(std::string_view acl, AclWhere where = AclWhere::rcpt) {
    config::Diagnostics diagnostics;
    std::string text = where == AclWhere::data ? "acl_smtp_data = a\n" : "acl_smtp_rcpt = a\n";
    text += "begin acl\na:\n";
    text += acl;
    const auto policy =
        compile_policy(config::read_text(std::move(text), diagnostics), diagnostics);
    EXPECT_EQ(diagnostics.render_all(), "");
    outcome_ = policy->acls().evaluate(policy->acl(where), where, facts_.context);
    constexpr std::string_view kNames[] = {"accept", "discard", "deny", "drop", "defer"};
    std::string out(kNames[static_cast<size_t>(outcome_.verdict)]);
    if (!outcome_.user_message.empty() || !outcome_.log_message.empty())
      out += ": " + outcome_.user_message + " | " + outcome_.log_message;
    for (const LogWrite& line : outcome_.effects.log_writes) out += "\n" + line.text;
    return out;
  }

  static std::string refusal(std::string acl, std::string_view option = "acl_smtp_rcpt") {
    config::Diagnostics diagnostics;
    acl = std::string(option) + " = a\nbegin acl\na:\n" + acl;
    compile_policy(config::read_text(std::move(acl), diagnostics), diagnostics);
    return diagnostics.all().empty() ? "" : diagnostics.all().front().message;
  }

  Facts facts_;
  ClientIdentity client_{facts_.connection};
  test::ScriptedResolver resolver_;
  ScriptedVerifier verifier_;
  Services services_;
  AclOutcome outcome_;
};

TEST_F(AskingAcl, FindsTheClientInDnsLists) {
  resolver_.add_address("1.2.0.192.one.test", "127.0.0.2");
  resolver_.add_address("1.2.0.192.one.test", "127.0.0.4");
  resolver_.add_text("1.2.0.192.one.test", "because");
  resolver_.add_address("1.2.0.192.only.test", "127.0.0.4");
  resolver_.add_address("1.2.0.192.sold.test", "203.0.113.1");
  resolver_.add_address("8.2.0.192.one.test", "127.0.0.9");
  resolver_.add_address("bad.example.one.test", "127.0.0.2");
  resolver_.add_text("1.2.0.192.only.test", "only text");
  resolver_.fail("1.2.0.192.slow.test", dns::RrType::A);
  const std::string yes = "deny";
  const std::string no = "accept";
  struct Case {
    std::string_view list;
    bool listed;
  };
  constexpr Case kCases[] = {
      {"one.test", true},
      {"none.test", false},
      {"none.test : one.test", true},
      {"one.test=127.0.0.2", true},
      {"one.test=127.0.0.3", false},
      {"one.test=127.0.0.3,127.0.0.4", true},
      {"one.test!=127.0.0.2", false},
      {"one.test!=127.0.0.3", true},
      {"one.test==127.0.0.2", false},
      {"one.test==127.0.0.2,127.0.0.4", true},
      {"one.test!==127.0.0.2", true},
      {"one.test&0.0.0.2", true},
      {"one.test&0.0.0.1", false},
      {"one.test=&0.0.0.4", false},
      {"one.test!&0.0.0.2", false},
      {"one.test!=&0.0.0.2", true},
      {"only.test,one.test=127.0.0.2", true},
      {"none.test,one.test=127.0.0.2", false},
      {"one.test/192.0.2.8", true},
      {"one.test/192.0.2.7", false},
      {"one.test/bad.example", true},
      {"one.test/<;192.0.2.7;bad.example", true},
      {"one.test/192.0.2.7::192.0.2.8", true},
      {"<; one.test/<|192.0.2.7|192.0.2.8", true},
      {"+include_unknown : slow.test", true},
      {"slow.test", false},
      {"+exclude_unknown : slow.test : one.test", true},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.list);
    const std::string got = run("deny dnslists = " + std::string(c.list) + "\naccept\n");
    EXPECT_EQ(got.substr(0, got.find('\n')), c.listed ? yes : no);
  }
  EXPECT_EQ(run("deny dnslists = sold.test\naccept\n"),
            "accept\nDNS list lookup for 1.2.0.192.sold.test returned 203.0.113.1; not in 127.0/8 "
            "and discarded");
  EXPECT_EQ(run("deny dnslists = +defer_unknown : slow.test\naccept\n"),
            "defer:  | dnslists: 1.2.0.192.slow.test could not be asked\ndns list lookup defer "
            "(probably timeout) for 1.2.0.192.slow.test: returned DEFER");
  EXPECT_EQ(run("deny dnslists = one.test/bad.example\n message = $dnslist_domain $dnslist_matched "
                "$dnslist_value\n"),
            "deny: one.test bad.example 127.0.0.2 | one.test bad.example 127.0.0.2");
  EXPECT_EQ(run("deny dnslists = only.test,one.test=127.0.0.2\n message = $dnslist_domain "
                "$dnslist_text\n"),
            "deny: only.test only text | only.test only text");
}

TEST_F(AskingAcl, VerifiesAddresses) {
  facts_.message.sender_address = "bad@x.test";
  EXPECT_EQ(run("require verify = sender\naccept\n"),
            "deny: Sender verify failed | Sender verify failed");
  ASSERT_TRUE(outcome_.sender_failure);
  EXPECT_EQ(outcome_.sender_failure->user_message, "Unknown user");
  EXPECT_EQ(run("require verify = sender\naccept\n").substr(0, 4), "deny");
  EXPECT_EQ(verifier_.asked.size(), 1u) << "a sender is asked once a message";
  EXPECT_EQ(run("require verify = sender/no_details\naccept\n").substr(0, 4), "deny");
  EXPECT_FALSE(outcome_.sender_failure);
  EXPECT_EQ(run("deny !verify = sender\n message = $acl_verify_message $sender_verify_failure\n"),
            "deny: Sender verify failed route | Sender verify failed");
  EXPECT_EQ(run("warn !verify = sender\n set acl_m0 = $acl_verify_message\naccept message = "
                "$acl_m0\n"),
            "accept: Sender verify failed | Sender verify failed");
  EXPECT_EQ(run("require verify = sender=good@x.test\naccept\n"), "accept");
  EXPECT_EQ(run("accept verify = sender=good@x.test\n message = $sender_address_data\n"),
            "accept: data of good@x.test | data of good@x.test");
  facts_.message.sender_address = "slow@x.test";
  EXPECT_EQ(run("require verify = sender\naccept\n"), "defer:  | Could not complete sender verify");
  EXPECT_EQ(
      run("require verify = sender/callout\naccept\n"),
      "defer: Could not complete sender verify callout | Could not complete sender verify callout");
  EXPECT_EQ(run("require verify = sender/defer_ok\naccept\n"), "accept");
  EXPECT_EQ(run("require verify = sender/callout=5s,defer_ok\naccept\n"), "accept");
  facts_.message.sender_address = "";
  EXPECT_EQ(run("require verify = sender\naccept\n"), "accept");
  EXPECT_EQ(run("require verify = recipient\naccept\n"), "deny: Unknown user | no such user");
  EXPECT_EQ(verifier_.asked.back(), "R rcpt@mx.test");
  EXPECT_EQ(run("require message = gone\n verify = recipient\naccept\n"),
            "deny: gone | no such user");
  facts_.address.local_part = "good";
  EXPECT_EQ(run("accept verify = recipient/callout=random\n"), "accept");
  EXPECT_EQ(verifier_.asked.back(), "R good@mx.test callout");
}

TEST_F(AskingAcl, VerifiesTheClient) {
  EXPECT_EQ(run("require verify = reverse_host_lookup\naccept\n"),
            "deny: host lookup failed for reverse lookup check | host lookup failed for reverse "
            "lookup check (failed to find host name from IP address)");
  EXPECT_EQ(run("require verify = helo\naccept\n"), "deny");
  client_.forget_helo();
  resolver_.add_address("client.test", "192.0.2.1");
  EXPECT_EQ(run("require verify = helo\naccept\n"), "accept");
  client_.forget_helo();
  facts_.connection.sender_helo_name = "[192.0.2.1]";
  EXPECT_EQ(run("require verify = helo\naccept\n"), "accept");
  EXPECT_EQ(run("require verify = certificate\naccept\n").substr(0, 4), "deny");
  facts_.connection.tls_in.certificate_verified = true;
  EXPECT_EQ(run("require verify = certificate\naccept\n"), "accept");
}

TEST_F(AskingAcl, VerifiesThatTheClientMayUseItsName) {
  // The client is 192.0.2.1.
  resolver_.add_service("_client._smtp.good.test", {1, 2, 0, "hosts.test"});
  resolver_.add_address("hosts.test", "192.0.2.9");
  resolver_.add_address("hosts.test", "192.0.2.1");
  resolver_.add_service("_client._smtp.other.test", {1, 2, 0, "elsewhere.test"});
  resolver_.add_address("elsewhere.test", "192.0.2.9");
  resolver_.add_service("_client._smtp.v6.test", {1, 2, 0, "six.test"});
  resolver_.add_address("six.test", "2001:db8::1");
  resolver_.add_service("_client._smtp.nowhere.test", {1, 2, 0, "."});
  resolver_.add_service("_client._smtp.never.test", {1, 1, 0, "."});
  resolver_.add_service("_client._smtp.zero.test", {1, 0, 0, "."});
  resolver_.add_service("_client._smtp.unsaid.test", {1, 3, 0, "hosts.test"});
  resolver_.add_service("_client._smtp.two.test", {2, 1, 0, "hosts.test"});
  resolver_.add_service("_client._smtp.strict.test", {1, 2, 1, "hosts.test"});
  resolver_.add_service("_client._smtp.mild.test", {1, 2, 0, "hosts.test"});
  resolver_.add_service("_client._smtp.late.test", {1, 2, 0, "slow.test"});
  resolver_.fail("slow.test", dns::RrType::A);
  resolver_.fail("_client._smtp.bad.test", dns::RrType::SRV);
  resolver_.add_service("_client._smtp.1.2.0.192.in-addr.arpa", {1, 2, 0, "hosts.test"});
  struct Case {
    std::string_view helo, status, why;  // why: what the client is told where it may not
  };
  constexpr Case kCases[] = {
      {"good.test", "ok", ""},
      {"GOOD.test", "ok", ""},
      {"other.test", "fail", "failed (client address mismatch)"},
      {"v6.test", "fail", "failed (no authorized addresses)"},
      {"nowhere.test", "fail", "failed (no authorized addresses)"},
      {"never.test", "fail", "failed (host name not authorized)"},
      {"zero.test", "fail", "failed (host name not authorized)"},
      {"unsaid.test", "unknown", ""},
      {"two.test", "unknown", ""},
      {"a.b.strict.test", "fail", "failed (explicit authorization required)"},
      {"a.b.mild.test", "unknown", ""},
      {"none.test", "unknown", ""},
      {"late.test", "defer", ""},
      {"bad.test", "defer", ""},
      {"[192.0.2.1]", "ok", ""},
      {"", "ok", ""},
  };
  for (const Case& c : kCases) {
    facts_.connection.sender_helo_name = c.helo;
    const std::string why(c.why);
    const std::string want = why.empty() ? "accept"
                                         : "deny: client SMTP authorization " + why +
                                               " | client SMTP authorization " + why;
    EXPECT_EQ(run("require verify = csa\naccept\n"), want) << c.helo;
    EXPECT_EQ(facts_.context.findings.csa_status, c.status) << c.helo;
  }
  facts_.connection.sender_helo_name = "good.test";
  EXPECT_EQ(run("deny verify = csa/bad.test\n"
                "     message = $csa_status: $acl_verify_message\n"),
            "deny: defer: client SMTP authorization deferred (SRV lookup failed) | "
            "client SMTP authorization deferred (SRV lookup failed)");
  const size_t asked = resolver_.asked.size();
  EXPECT_EQ(run("require verify = csa / good.test\naccept\n"), "accept");
  EXPECT_EQ(resolver_.asked.size(), asked);  // known for the connection
}

TEST_F(AskingAcl, NamesOfAddressesMayBeLeftOutOfClientAuthorization) {
  ServerFacts server;
  server.csa_of_addresses = false;
  facts_.context.server = &server;
  facts_.connection.sender_helo_name = "[192.0.2.1]";
  EXPECT_EQ(run("require verify = csa\naccept\n"), "accept");
  EXPECT_EQ(facts_.context.findings.csa_status, "unknown");
  EXPECT_TRUE(resolver_.asked.empty());
  facts_.connection.sender_host.reset();
  EXPECT_EQ(run("require verify = csa/good.test\naccept\n"), "accept");
  EXPECT_TRUE(resolver_.asked.empty());  // a local client has no name to answer for
}

TEST_F(AskingAcl, AsksForRoomAndTellsTheClientNothing) {
  struct Case {
    std::string_view options;
    std::string_view asked;
  };
  constexpr Case kCases[] = {
      {"quota", " quota 300 3600"},
      {"quota=cachepos=1h", " quota 3600 3600"},
      {"quota = cachepos=1h , cacheneg=1d", " quota 3600 86400"},
      {"quota=no_cache", " quota 0 0"},
      {"quota=no_cache,cacheneg=2s", " quota 0 2"},
      {"callout/quota", " callout quota 300 3600"},
  };
  facts_.address.original_local_part = "bad";
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.options);
    verifier_.asked.clear();
    EXPECT_EQ(run("require verify = recipient/" + std::string(row.options) + "\naccept\n"),
              "deny:  | Over quota");
    EXPECT_EQ(verifier_.asked,
              std::vector{"R bad@" + facts_.address.domain + std::string(row.asked)});
  }
  EXPECT_EQ(run("deny !verify = recipient/quota\n"
                "  set acl_m_a = $recipient_verify_failure: $acl_verify_message\n"
                "  message = $acl_m_a <$acl_verify_message>\n"
                "  log_message = <$acl_verify_message>\n"),
            "deny: quota: Over quota <> | <Over quota>: Over quota");
  facts_.address.original_local_part = "good";
  EXPECT_EQ(run("require verify = recipient/quota\naccept\n"), "accept");
}

TEST_F(AskingAcl, VerifiesHeaders) {
  facts_.message.headers = "From: good@x.test\nTo: a@b, @c\nX-\xc3\xa4: y\n";
  facts_.message.recipients = {"A@b", "z@b"};
  EXPECT_EQ(run("accept verify = header_sender\n", AclWhere::data), "accept");
  EXPECT_EQ(run("accept verify = header_syntax\n", AclWhere::data).substr(0, 4), "deny");
  EXPECT_EQ(run("accept verify = not_blind\n", AclWhere::data).substr(0, 4), "deny");
  EXPECT_EQ(run("deny !verify = header_names_ascii\n", AclWhere::data),
            "deny:  | Invalid character in header \"X-\xc3\xa4\" found");
  facts_.message.recipients = {"A@b"};
  EXPECT_EQ(run("accept verify = not_blind\n", AclWhere::data).substr(0, 4), "deny");
  EXPECT_EQ(run("accept verify = not_blind/case_insensitive\n", AclWhere::data), "accept");
}

TEST(VerifyHeaders, NameTheAddressThatIsWrong) {
  EXPECT_EQ(bad_header_syntax("To: Joe <a@b>, \"x, y\" <c@d>\n (comment), Group: e@f, g@h;\n", {}),
            std::nullopt);
  EXPECT_EQ(bad_header_syntax("Subject: @\n", {}), std::nullopt);
  const auto problem = bad_header_syntax("Cc: ok@a.b, joe\n", {});
  ASSERT_TRUE(problem);
  EXPECT_EQ(*problem,
            "unqualified address not permitted: failing address in \"Cc:\" header is: joe");
  EXPECT_EQ(bad_header_syntax("Cc: joe\n", {false, true}), std::nullopt);
}

TEST_F(AskingAcl, RefusesAtLoadWhatCannotBe) {
  EXPECT_EQ(refusal("accept verify = recipient\n", "acl_smtp_mail"),
            "cannot verify \"recipient\" in an ACL for MAIL");
  EXPECT_EQ(refusal("accept verify = header_syntax\n"),
            "cannot verify \"header_syntax\" in an ACL for RCPT");
  EXPECT_EQ(refusal("accept verify = sender/quota\n"), "can only verify quota of recipient");
  EXPECT_EQ(refusal("accept verify = recipient/quota=nonsense\n"), "unknown option \"nonsense\"");
  EXPECT_EQ(refusal("accept verify = recipient/quota=cachepos=5x\n"), "bad time value \"5x\"");
  EXPECT_EQ(refusal("accept verify = sender/nonsense\n"), "unknown option \"nonsense\"");
  EXPECT_EQ(refusal("accept verify = sender/callout=use_sender\n"),
            "\"use_sender\", \"use_postmaster\" and \"hold\" are allowed only for recipient");
  EXPECT_EQ(refusal("accept verify = sender/callout=5x\n"), "bad time value \"5x\"");
  EXPECT_EQ(refusal("accept dnslists = a.test=1.2.3\n"),
            "\"1.2.3\" in dnslists is no IPv4 address");
  EXPECT_EQ(refusal("accept dnslists = +unknown : a.test\n"),
            "unknown item \"+unknown\" in dnslists");
  EXPECT_EQ(refusal("accept udpsend = name 1 x\n"), "udpsend: \"name\" is no IP address");
}

TEST(ReplyLines, AreCutAtBlanks) {
  EXPECT_EQ(reply_lines("short"), "short");
  EXPECT_EQ(reply_lines("one\n\n  \ntwo\n"), "one\ntwo");
  const std::string word(20, 'w');
  EXPECT_EQ(reply_lines(word + " " + word + " " + word + " " + word),
            word + " " + word + " " + word + "\n" + word);
  EXPECT_EQ(reply_lines(word + " " + word + ": " + word + " " + word),
            word + " " + word + ":\n" + word + " " + word);
  const std::string whole(200, 'x');
  EXPECT_EQ(reply_lines(whole), whole);
  EXPECT_EQ(reply_lines(whole + " y"), whole + "\ny");
}

}  // namespace
}  // namespace godwit::acl
