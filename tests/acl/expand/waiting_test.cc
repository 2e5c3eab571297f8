// What waits (files, commands, sockets), and what came from outside.
#include "acl/expand/expansion.h"
#include "acl/expand/services.h"
#include "core/io/fiber.h"
#include "core/io/loop.h"
#include "core/io/scope.h"
#include "dns/hosts_file.h"
#include "tests/acl/support.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace godwit::acl {
namespace {

class EchoAcl final : public AclCaller {
 public:
  Verdict call_acl(std::string_view name, std::vector<std::string> args, EvalContext&,
                   std::string& message) const override {
    message = std::string(name) + "/" + std::to_string(args.size());
    if (name == "no") return Verdict::deny;
    return name == "later" ? Verdict::defer : Verdict::accept;
  }
};

struct World {
  Loop loop;
  Facts facts;
  EchoAcl acls;
  Services services;
  std::shared_ptr<const NamedLists> lists;
  dns::HostsFile hosts = dns::HostsFile::parse("127.0.0.1 here.test\n");

  World() {
    config::Diagnostics diagnostics;
    lists = named_lists("domainlist dl = a.b\n", diagnostics);
    services.loop = &loop;
    services.acls = &acls;
    services.lists = lists.get();
    services.hosts_file = &hosts;
    facts.context.services = &services;
    facts.message.headers = "Subject: hello\nX-File: /etc/passwd\n";
    facts.message_variables["acl_m_dirty"] = AclValue("/etc/passwd", true);
    facts.message_variables["acl_m_code"] = AclValue("${lc:A}", true);
  }

  Task<void> evaluate(const Expansion& expansion, std::optional<EvalResult>& out) {
    auto call = [&] { return expansion.evaluate(facts.context); };
    out = co_await on_fiber(call);
  }

  EvalResult run(std::string_view text) {
    CompileOptions options;
    options.lists = lists.get();
    const Result<Expansion> expansion = compile_expansion(text, options);
    if (!expansion) return {EvalStatus::failed, "!!" + expansion.error().detail(), false};
    std::optional<EvalResult> result;
    Scope scope;
    scope.spawn(evaluate(*expansion, result));
    while (!result) loop.run_once();
    return *result;
  }
};

struct Case {
  std::string_view input;
  EvalStatus status;
  std::string_view want;
};

TEST(WaitingExpansion, AsksFilesCommandsAndAcls) {
  using enum EvalStatus;
  constexpr Case kCases[] = {
      {"${if exists{/etc/passwd}{y}{n}}${if exists{/nono}{y}{n}}", ok, "yn"},
      {"${run{/bin/echo a \"b c\" $domain}}", ok, "a b c mx.test\n"},
      {"${run{/bin/false}{y}{n$runrc}}", ok, "n1"},
      {"${run{/does/not/exist}{y}{n$runrc}}", ok, "n127"},
      {"${run{/bin/sh -c \"echo x; exit 2\"}{y}{$value$runrc}}", ok, "x\n2"},
      {"${run{/bin/false}{y}fail}", forced_fail, "\"run\" failed and \"fail\" requested"},
      {"${readfile{/nono}}", failed, "failed to open /nono: No such file or directory"},
      {"${if eq{a}{b}{${run{/bin/sh -c \"kill -9 0\"}}}{skipped}}", ok, "skipped"},
      {"${acl{yes}{a}{b}}-${acl{no}}", ok, "yes/2-no/0"},
      {"${acl{later}}", forced_fail, "DEFER from acl \"later\""},
      {"${if acl{{no}{a}}{y}{n$value}}${if acl{{yes}}{y$value}}", ok, "nno/1yyes/0"},
      {"${if acl{{later}}{y}{n}}", deferred, "DEFER from acl \"later\""},
      {"${listnamed_d:dl}", ok, "a.b"},
      {"${readsocket{/nono}{x}{1s}{}{else}}", ok, "else"},
      {"${readsocket{inet:a.test:25}{x}}", failed, "the DNS cannot be asked here"},
      {"${readsocket{inet:here.test:1}{x}{1s}{}{closed}}", ok, "closed"},
      {"${readsocket{inet:a.test:25}{x}{1s}{}{else}}", ok, "else"},
      {"${readsocket{/nono}{x}{1s:tls=yes}{}{else}}", ok, "else"},
      {"${lookup{a}lsearch{/b}}", deferred, "lookups cannot be asked here"},
      {"${if crypteq{test}{\\{crypt\\}aaxRKJdCY6rV6}{y}{n}}", ok, "n"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.input);
    World world;
    const EvalResult result = world.run(c.input);
    EXPECT_EQ(result.status, c.status);
    EXPECT_EQ(result.text, c.want);
  }
}

TEST(WaitingExpansion, DefersWhereNothingCanWait) {
  constexpr std::string_view kTexts[] = {"${readfile{/etc/passwd}}", "${run{/bin/true}}",
                                         "${if exists{/a}{b}}", "${stat:/}",
                                         "${readsocket{/a}{b}}"};
  for (std::string_view text : kTexts) {
    SCOPED_TRACE(text);
    World world;
    const auto expansion = compile_expansion(text, {});
    ASSERT_TRUE(expansion);
    EXPECT_TRUE(expansion->can_suspend());
    EXPECT_EQ(expansion->evaluate(world.facts.context).status, EvalStatus::deferred);
  }
}

TEST(WaitingExpansion, KnowsWhatMayWait) {
  const auto suspends = [](std::string_view text) {
    return compile_expansion(text, {})->can_suspend();
  };
  EXPECT_FALSE(suspends("${if eq{a}{$domain}{${md5:$h_to:}}{${map{a:b}{$item}}}}"));
  EXPECT_TRUE(suspends("${if eq{a}{b}{${map{a:b}{${readfile{/x}}}}}}"));
  EXPECT_TRUE(suspends("${filter{a}{exists{$item}}}"));
  EXPECT_TRUE(suspends("${lc:${run{/bin/true}}}"));
}

TEST(Taint, BelongsToValues) {
  struct TaintCase {
    std::string_view input;
    bool tainted;
  };
  constexpr TaintCase kCases[] = {
      {"constant", false},
      {"$primary_hostname", false},
      {"$sender_address", true},
      {"$h_subject:", true},
      {"$h_none:", false},
      {"$acl_m_dirty", true},
      {"$acl_m_x", false},
      {"${md5:$local_part}", true},
      {"${if eq{$local_part}{rcpt}{clean}}", false},
      {"${if eq{a}{a}{$local_part}}", true},
      {"${if match{$local_part}{(.*)}{$1}}", true},
      {"${if match{$primary_hostname}{(.*)}{$1}}", false},
      {"${map{$local_part:b}{$item}}", true},
      {"${map{$local_part:b}{x}}", false},
      {"${filter{$local_part:b}{eq{$item}{b}}}", true},
      {"${reduce{a:b}{$local_part}{x}}", false},
      {"${extract{1}{:}{$local_part}{$value}}", true},
      {"${if match_domain{$domain}{mx.test}{$value}}", false},
      {"${sort{b:a}{lt}{$local_part}}", false},
      {"${sg{$local_part}{x}{y}}", true},
  };
  for (const TaintCase& c : kCases) {
    SCOPED_TRACE(c.input);
    World world;
    const EvalResult result = world.run(c.input);
    ASSERT_TRUE(result.ok()) << result.text;
    EXPECT_EQ(result.tainted, c.tainted);
  }
}

TEST(Taint, IsRefusedBySinks) {
  constexpr Case kCases[] = {
      {"${readfile{$h_x-file:}}", EvalStatus::failed, "Tainted filename '/etc/passwd'"},
      {"${readfile{$acl_m_dirty}}", EvalStatus::failed, "Tainted filename '/etc/passwd'"},
      {"${if match{$h_x-file:}{(.*)}{${readfile{$1}}}}", EvalStatus::failed,
       "Tainted filename '/etc/passwd'"},
      {"${run{$acl_m_dirty}}", EvalStatus::failed,
       "Tainted arg 0 for ${run} expansion command: '/etc/passwd'"},
      {"${run{/bin/echo $acl_m_dirty}}", EvalStatus::ok, "/etc/passwd\n"},
      {"${expand:$acl_m_code}", EvalStatus::failed, "attempt to expand tainted string '${lc:A}'"},
      {"${sg{a}{a}{$acl_m_code}}", EvalStatus::failed,
       "attempt to expand tainted string '${lc:A}'"},
      {"${acl{$acl_m_dirty}}", EvalStatus::failed,
       "attempt to use tainted string '/etc/passwd' for ACL name"},
      {"${readsocket{$acl_m_dirty}{x}}", EvalStatus::failed, "Tainted socket name '/etc/passwd'"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.input);
    World world;
    const EvalResult result = world.run(c.input);
    EXPECT_EQ(result.status, c.status);
    EXPECT_EQ(result.text, c.want);
  }
}

TEST(Taint, IsSeenAtLoadWhereASinkIsCertain) {
  constexpr std::string_view kTexts[] = {"${expand:$h_subject:}",
                                         "${readfile{/dir/$local_part}}",
                                         "${run{$sender_address}}",
                                         "${acl{$domain}}",
                                         "${readsocket{$sender_helo_name}{x}}",
                                         "${lookup{a}lsearch{/dir/$domain}}"};
  for (std::string_view text : kTexts) {
    SCOPED_TRACE(text);
    config::Diagnostics diagnostics;
    EXPECT_TRUE(compile_expansion(config::LocatedText(std::string(text)), {}, diagnostics));
    ASSERT_EQ(diagnostics.all().size(), 1u);
    EXPECT_EQ(diagnostics.all()[0].severity, config::Severity::warning);
  }
}

TEST(Headers, AreDecodedJoinedAndListed) {
  World world;
  world.facts.message.headers =
      "Subject: =?iso-8859-1?Q?caf=E9?=\nTo: a@b\nTo: c@d\nX: 1:2\nX:  3 \n";
  EXPECT_EQ(world.run("$h_subject:|$bh_subject:|$rh_subject:").text,
            "caf\xc3\xa9|caf\xe9| =?iso-8859-1?Q?caf=E9?=\n");
  EXPECT_EQ(world.run("$h_to:").text, "a@b,\nc@d");
  EXPECT_EQ(world.run("$lh_x:").text, " 1::2:  3 ");
  EXPECT_EQ(world.run("${if def:h_x:{y}{n}}${if def:h_y:{y}{n}}").text, "yn");
}

// O=Godwit, CN=mx.test, serial number 0x1234.
constexpr std::string_view kCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBSDCB+6ADAgECAgISNDAFBgMrZXAwIzEPMA0GA1UECgwGR29kd2l0MRAwDgYD\n"
    "VQQDDAdteC50ZXN0MB4XDTI2MTEyMTA4NDIwNFoXDTM2MTExODA4NDIwNFowIzEP\n"
    "MA0GA1UECgwGR29kd2l0MRAwDgYDVQQDDAdteC50ZXN0MCowBQYDK2VwAyEAuWi/\n"
    "l8+e9ircOjpdrGSDVPIea9E1kml6uWo5OOSwD9mjUzBRMB0GA1UdDgQWBBTBnpW0\n"
    "dhPJSy2Dq1WdSNdwB4TqETAfBgNVHSMEGDAWgBTBnpW0dhPJSy2Dq1WdSNdwB4Tq\n"
    "ETAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBACYgIna1cTUDFo/Zu1xjeE/2gug6\n"
    "hy6U50yv1GtAZcDbfuyMXg+rNNPuLIrckc04RNk4JDfvY+g9SQP3pTAsZgM=\n"
    "-----END CERTIFICATE-----\n";

TEST(Certificates, GiveTheirFields) {
  World world;
  world.facts.message_variables["acl_m_cert"] = std::string(kCertificate);
  const auto field = [&](const std::string& name) {
    return world.run("${certextract{" + name + "}{$acl_m_cert}}").text;
  };
  EXPECT_EQ(field("version"), "3");
  EXPECT_EQ(field("serial_number"), "1234");
  EXPECT_EQ(field("subject"), "CN=mx.test,O=Godwit");
  EXPECT_EQ(field("issuer"), "CN=mx.test,O=Godwit");
  EXPECT_EQ(field("sig_algorithm"), "ED25519");
  EXPECT_EQ(field("sha256").size(), 64u);
  EXPECT_EQ(field("nosuch"), "bad field selector \"nosuch\" for certextract");
  EXPECT_EQ(world.run("${certextract{version}{}{y}{n}}").text, "n");
  EXPECT_EQ(world.run("${certextract{version}{no certificate}{y}{n}}").text,
            "certextract needs a certificate");
}

// DC=test, O="Example, Inc", OU=a, OU=b, CN=mx.test; other names, two OCSP responders, one CRL.
constexpr std::string_view kNamedCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIICvzCCAmWgAwIBAgIUbXbDAf6dP7ITHcpQzbSjuxQvd2MwCgYIKoZIzj0EAwIw\n"
    "VzEUMBIGCgmSJomT8ixkARkWBHRlc3QxFTATBgNVBAoMDEV4YW1wbGUsIEluYzEK\n"
    "MAgGA1UECwwBYTEKMAgGA1UECwwBYjEQMA4GA1UEAwwHbXgudGVzdDAgFw0yNjEx\n"
    "MjExMTU5NTdaGA8yMTI2MTAyODExNTk1N1owVzEUMBIGCgmSJomT8ixkARkWBHRl\n"
    "c3QxFTATBgNVBAoMDEV4YW1wbGUsIEluYzEKMAgGA1UECwwBYTEKMAgGA1UECwwB\n"
    "YjEQMA4GA1UEAwwHbXgudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABL4S\n"
    "gvPwkUFJKZ2OLeRICXdxC4TEpESmFwhgCNYTq/vS7wU1IKrpDVOjPYIgHFwcoTgh\n"
    "944Xr+A2zrQ/tcdhqD6jggELMIIBBzAdBgNVHQ4EFgQUfI+B8daFe5zMTnl84/Bm\n"
    "OviDjHQwHwYDVR0jBBgwFoAUfI+B8daFe5zMTnl84/BmOviDjHQwDwYDVR0TAQH/\n"
    "BAUwAwEB/zA/BgNVHREEODA2ggdteC50ZXN0gghhOmIudGVzdIYPaHR0cHM6Ly94\n"
    "LnRlc3QvgQpqb2VAeC50ZXN0hwTAAAIBMEsGCCsGAQUFBwEBBD8wPTAdBggrBgEF\n"
    "BQcwAYYRaHR0cDovL29jc3AudGVzdC8wHAYIKwYBBQUHMAGGEGh0dHA6Ly90d28u\n"
    "dGVzdC8wJgYDVR0fBB8wHTAboBmgF4YVaHR0cDovL2NybC50ZXN0L2EuY3JsMAoG\n"
    "CCqGSM49BAMCA0gAMEUCIFtcjpAu98Ygn3RxlDoNSSwZ97LO6wsc+rknUC9r11e8\n"
    "AiEA8TfsBvU7t8jvuiwwCxQZ5BYYY049r1rxI9btSZviYgs=\n"
    "-----END CERTIFICATE-----\n";

TEST(Certificates, GiveListsAndParts) {
  World world;
  world.facts.message_variables["acl_m_cert"] = std::string(kNamedCertificate);
  struct Case {
    std::string_view field, want;
  };
  constexpr Case kCases[] = {
      {"subject", "CN=mx.test,OU=b,OU=a,O=Example\\, Inc,DC=test"},
      {"subject,CN", "mx.test"},
      {"subject,OU", "a\nb"},
      {"subject,OU,>:", "a:b"},
      {"issuer,O,>,", "Example,, Inc"},
      {"issuer,L", ""},
      {"notbefore", "Nov 21 11:59:57 2026 GMT"},
      {"notbefore,int", "1795262397"},
      {"subj_altname", "DNS=mx.test\nDNS=a:b.test\nURI=https://x.test/\nMAIL=joe@x.test"},
      {"subj_altname,dns", "mx.test\na:b.test"},
      {"subj_altname,dns,>:", "mx.test:a::b.test"},
      {"subj_altname, mail", "joe@x.test"},
      {"subj_altname,>;,uri", "https://x.test/"},
      {"ocsp_uri,>;", "http://ocsp.test/;http://two.test/"},
      {"crl_uri", "http://crl.test/a.crl"},
  };
  for (const Case& c : kCases) {
    const std::string text = "${certextract{" + std::string(c.field) + "}{$acl_m_cert}}";
    EXPECT_EQ(world.run(text).text, c.want) << c.field;
  }
  const std::string signature = world.run("${certextract{signature}{$acl_m_cert}}").text;
  EXPECT_EQ(signature.substr(0, 14), "30 45 02 20 5b");
}

}  // namespace
}  // namespace godwit::acl
