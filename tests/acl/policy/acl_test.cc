#include "acl/policy/acl.h"

#include "acl/policy/policy.h"
#include "acl/policy/run.h"
#include "generated/source_dir.h"
#include "tests/acl/support.h"

#include <gtest/gtest.h>

#include <set>

namespace godwit::acl {
namespace {

std::string_view verdict_name(AclVerdict verdict) {
  constexpr std::string_view kNames[] = {"accept", "discard", "deny", "drop", "defer"};
  return kNames[static_cast<size_t>(verdict)];
}

// "verdict [code] [status] | user message | log message | log lines".
std::string describe(const AclOutcome& outcome) {
  std::string out(verdict_name(outcome.verdict));
  if (outcome.reply_code != 0) out += " " + std::to_string(outcome.reply_code);
  if (!outcome.enhanced_status.empty()) out += " " + outcome.enhanced_status;
  if (!outcome.user_message.empty() || !outcome.log_message.empty()) {
    out += "|" + outcome.user_message + "|" + outcome.log_message;
  }
  for (const LogWrite& line : outcome.effects.log_writes) {
    out += "\n" + std::to_string(line.targets) + (line.with_host ? "H " : " ") + line.text;
  }
  return out;
}

struct Fixture {
  Facts facts;
  config::Diagnostics diagnostics;
  std::shared_ptr<const CompiledPolicy> policy;

  explicit Fixture(std::string_view acls, std::string_view option = "a") {
    std::string text = "domainlist local = mx.test\nacl_smtp_rcpt = ";
    text += option;
    text += "\nbegin acl\n";
    text += acls;
    policy = compile_policy(config::read_text(std::move(text), diagnostics), diagnostics);
  }
  AclOutcome run() {
    return policy->acls().evaluate(policy->acl(AclWhere::rcpt), AclWhere::rcpt, facts.context);
  }
};

struct Case {
  std::string_view acls;
  std::string_view want;
  std::string_view option = "a";
};

// What Exim 4.96 -bh does with the same ACLs, as far as it shows.
TEST(Acl, DecidesAsExim) {
  constexpr Case kCases[] = {
      {"a:\n accept\n", "accept"},
      {"a:\n", "deny"},
      {"a:\n deny message = 551 5.1.2 go away\n", "deny 551 5.1.2|go away|551 5.1.2 go away"},
      {"a:\n deny message = 450 5.1.2 go away\n log_message = lm\n",
       "deny|go away|lm\n5 configured error code starts with incorrect digit (expected 5) in "
       "\"450 5.1.2 go away\""},
      {"a:\n accept message = 251 hey\n", "accept 251|hey|251 hey"},
      {"a:\n require message = no\n condition = no\n", "deny|no|no"},
      {"a:\n require condition = no\n message = no\n", "deny"},
      {"a:\n require condition = yes\n accept\n", "accept"},
      {"a:\n accept condition = yes\n endpass\n message = ep\n condition = no\n accept\n",
       "deny|ep|ep"},
      {"a:\n accept condition = no\n endpass\n message = ep\n accept\n", "accept"},
      {"a:\n accept condition = ${lc:FOO}\n", "defer||invalid \"condition\" value \"foo\""},
      {"a:\n accept condition = ${if bool{foo}}\n",
       "defer||failed to expand ACL string \"${if bool{foo}}\": unrecognised boolean value "
       "\"foo\""},
      {"a:\n accept condition = ${if eq{a}{b}{x}fail}\n", "accept"},
      {"a:\n warn condition = ${lc:FOO}\n accept\n",
       "accept\n1H Warning: ACL \"warn\" statement skipped: condition test deferred: invalid "
       "\"condition\" value \"foo\""},
      {"a:\n warn message = X-Foo: bar\n log_message = lmm\n accept\n", "accept\n1H Warning: lmm"},
      {"a:\n accept acl = b x y\nb:\n deny message = $acl_arg1-$acl_narg-$acl_arg2\n",
       "deny|x-2-y|x-2-y"},
      {"a:\n deny acl = b x y\nb:\n accept message = $acl_arg1-$acl_narg-$acl_arg2\n",
       "deny|x-2-y|x-2-y"},
      {"a:\n deny acl = b $domain \"x y\" z\nb:\n accept message = $acl_arg1-$acl_narg-$acl_arg2\n",
       "deny|mx.test-3-x y|mx.test-3-x y"},
      {"a:\n deny message = outer\n !acl = b x y\nb:\n deny message = inner\n", "deny|outer|inner"},
      {"a:\n drop message = a\\nb\n", "drop|a\nb|a\nb"},
      {"a:\n discard message = hi\n", "discard|hi|hi"},
      {"a:\n defer message = hi\n log_message = foo\n", "defer|hi|foo"},
      {"a:\n deny message = ${if eq{a}{b}{x}fail}\n", "deny"},
      {"a:\n deny message = ${if bool{b}{x}}\n",
       "deny\n5 failed to expand ACL message \"${if bool{b}{x}}\": unrecognised boolean value "
       "\"b\""},
      {"a:\n deny set acl_m_x = 5\n message = x=$acl_m_x\n", "deny|x=5|x=5"},
      {"a:\n deny message = x\n authenticated = *\n accept encrypted = *\n defer !encrypted=*\n",
       "defer"},
      {"a:\n deny message = \"foo \\x41\"\n", "deny|\"foo A\"|\"foo A\""},
      {"a:\n warn message = foo\n deny acl = b\nb:\n deny message=x\n", "deny|x|x"},
      {"a:\n accept message = foo\n condition=no\n", "deny|foo|foo"},
      {"a:\n warn set acl_m_x = ${if bool{a}{x}}\n deny\n",
       "defer||failed to expand ACL string \"${if bool{a}{x}}\": unrecognised boolean value \"a\""},
      {"a:\n accept !acl = b\nb:\n discard\n", "discard"},
      {"a:\n deny acl = b\nb:\n discard\n",
       "defer||nested ACL returned \"discard\" for \"deny\" command (only allowed with \"accept\" "
       "or "
       "\"discard\")"},
      {"a:\n warn acl = b\n accept\nb:\n defer message = zz\n",
       "accept\n1H Warning: ACL \"warn\" statement skipped: condition test deferred: zz"},
      {"a:\n warn delay = ${lc:5X}\n deny\n",
       "defer||syntax error in argument for \"delay\" modifier: \"5x\" is not a time value"},
      {"a:\n accept condition = 12\n condition = -3\n condition= Yes\n", "accept"},
      {"a:\n deny condition = 0\n deny condition = 00\n accept condition =\n", "deny"},
      {"a:\n deny hosts = 192.0.2.1 : 5.6.7.8\n domains = +local\n local_parts = rcpt\n"
       " senders = sender@example.com\n recipients = rcpt@mx.test : z\n"
       " sender_domains = example.com\n"
       " message = $domain_data/$local_part_data/$sender_data/$recipient_data\n",
       "deny|mx.test/rcpt/sender@example.com/rcpt@mx.test|mx.test/rcpt/sender@example.com/"
       "rcpt@mx.test"},
      {"a:\n accept hosts = !192.0.2.0/24\n deny !hosts = :\n message = m\n", "deny|m|m"},
      {"a:\n accept logwrite = :main,reject: x $domain\n logwrite = y\n",
       "accept\n3 x mx.test\n1 y"},
      {"a:\n accept acl = a\n", "defer||ACLs call each other too deeply"},
      {"", "deny", "deny"},
      {"", "deny|foo|foo", "deny message = foo"},
      {"", "accept", "${if eq{a}{a}{accept}}"},
      {"b:\n drop\n", "drop", "${lc:B}"},
      {"a:\n deny message = $acl_arg1-$acl_narg\n", "deny|mx.test-1|mx.test-1", "a $domain"},
      {"", "defer||there is no ACL \"deny\"", "${if eq{a}{a}{deny message = injected}}"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::string(c.option) + "\n" + std::string(c.acls));
    Fixture fixture(c.acls, c.option);
    EXPECT_EQ(fixture.diagnostics.render_all(), "");
    EXPECT_EQ(describe(fixture.run()), c.want);
  }
}

TEST(Acl, CollectsEffects) {
  Fixture fixture(
      "a:\n warn control = freeze/no_tell\n control = submission/domain=x.y/sender_retain\n"
      " control = no_enforce_sync\n control = queue_only\n delay = 2s\n delay = 1m\n"
      " add_header = :at_start: X-A: 1\n add_header = X-B: $domain\\nX-C: 3\\n continued\n"
      " add_header = plain text\n add_header = X-A: 1\n remove_header = Foo : ^X-\n"
      " log_reject_target = reject\n control = fakereject/no\\nway\n"
      " accept message = $headers_added\n");
  EXPECT_EQ(fixture.diagnostics.render_all(), "");
  const AclOutcome outcome = fixture.run();
  const AclEffects& effects = outcome.effects;
  EXPECT_EQ(outcome.verdict, AclVerdict::accept);
  EXPECT_TRUE(effects.controls.freeze);
  EXPECT_TRUE(effects.controls.freeze_no_tell);
  EXPECT_TRUE(effects.controls.submission_sender_retain);
  EXPECT_EQ(effects.controls.submission_domain, "x.y");
  EXPECT_EQ(effects.controls.enforce_sync, false);
  EXPECT_TRUE(effects.controls.queue_only);
  EXPECT_EQ(effects.controls.fakereject, "no\nway");
  EXPECT_EQ(effects.delay.count, 62'000);
  std::vector<std::string> headers;
  for (const HeaderAddition& header : effects.headers_added) headers.push_back(header.text);
  EXPECT_EQ(headers, (std::vector<std::string>{"X-A: 1", "X-B: mx.test", "X-C: 3\n continued",
                                               "X-ACL-Warn: plain text"}));
  EXPECT_EQ(effects.headers_added[0].position, HeaderAddition::Position::at_start);
  EXPECT_EQ(effects.headers_removed, (std::vector<std::string>{"Foo", "^X-"}));
  EXPECT_EQ(outcome.log_reject_targets, static_cast<uint8_t>(LogTarget::reject));
}

TEST(Acl, VariablesOutliveTheRun) {
  Fixture fixture("a:\n accept set acl_m_y = $acl_m_x\n set acl_c_1 = z\n");
  fixture.run();
  EXPECT_EQ(fixture.facts.message_variables["acl_m_y"], "emm");
  EXPECT_EQ(fixture.facts.connection_variables["acl_c_1"], "z");
}

TEST(Acl, NamesEveryProblemWithItsPlace) {
  config::compare_golden("policy", [](std::string text) {
    config::Diagnostics diagnostics;
    compile_policy(config::read_text(std::move(text), diagnostics), diagnostics);
    return diagnostics.render_all();
  });
}

TEST(AclTables, HaveUniqueDocumentedNames) {
  std::set<std::string_view> names;
  const auto check = [&](auto rows) {
    for (const auto& row : rows) {
      EXPECT_TRUE(names.insert(row.name).second) << row.name;
      EXPECT_FALSE(row.doc.empty()) << row.name;
      EXPECT_NE(row.legal, 0u) << row.name;
    }
  };
  check(acl_rows());
  check(verb_rows());
  names.clear();
  check(control_rows());
}

TEST(Policy, LoadsWithoutAComplaint) {
  config::Diagnostics diagnostics;
  const auto document = config::read_text(
      config::file_text(std::string(GODWIT_SOURCE_DIR) + "/tests/golden/relay.conf"), diagnostics);
  const auto policy = compile_policy(document, diagnostics);
  EXPECT_EQ(diagnostics.render_all(), "");
  Facts facts;
  EXPECT_EQ(policy->expansion("smtp_banner").evaluate(facts.context).text,
            "mx.test ESMTP Godwit 0.1 Sat, 21 Nov 2026 04:57:46 +0000");
  EXPECT_EQ(
      policy->expansion("received_header_text").evaluate(facts.context).text,
      "Received: from [192.0.2.1] (helo=client.test)\n\tby mx.test with esmtp (Godwit 0.1)\n\t"
      "(envelope-from <Sender@Example.com>)\n\tid 1abcde-000000001-0000\n\tfor rcpt@mx.test");
  ListSubject client;
  client.address = facts.connection.sender_host->address;
  EXPECT_EQ(policy->list("tls_advertise_hosts").match(client, facts.context).match, Match::no);
  EXPECT_EQ(policy->list("chunking_advertise_hosts").match(client, facts.context).match,
            Match::yes);
  EXPECT_TRUE(policy->acl(AclWhere::rcpt).is_set());
  EXPECT_FALSE(policy->acl(AclWhere::mail).is_set());
  EXPECT_TRUE(policy->acl(AclWhere::prdr).is_set());
  EXPECT_EQ(policy->options().smtp_accept_max, 4000);
}

}  // namespace
}  // namespace godwit::acl
