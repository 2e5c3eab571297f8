#include "tests/support/lines_log.h"
#include "tests/support/run_task.h"
#include "tests/tls/pair.h"
#include "tls/context_cache.h"
#include "tls/openssl.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace godwit::test {
namespace {

TEST(ServerContext, MakesItsOwnCertificatesWhereNoneIsConfigured) {
  tls::ServerSettings settings;
  settings.host_name =
      "a.rather.long.host.name.of.more.than.sixty.four.characters.in.all.mail.test";
  const auto server = server_context(settings);
  tls::ClientSession session;
  session.verify = tls::Verify::no;
  Pair pair(server, client_context({}), {}, session);
  ASSERT_TRUE(pair.shake_hands()) << pair.server->failure();
  EXPECT_TRUE(pair.client->facts().peer_dn.starts_with("/CN=a.rather.long"));
}

TEST(ServerContext, TakesKeysFromFilesOfTheirOwn) {
  const World world;
  tls::ServerSettings settings = world.server_settings();
  settings.certificates = world.files.put("cert.pem", world.server.certificate_pem());
  settings.private_keys = world.files.put("key.pem", world.server.key_pem());
  EXPECT_NE(server_context(settings), nullptr);
}

struct BadCase {
  std::string_view name;
  void (*change)(const World& world, tls::ServerSettings& settings);
  std::string_view says;
};

const std::array kBad{
    BadCase{"no such certificate",
            [](const World&, tls::ServerSettings& s) { s.certificates = "/nonexistent"; },
            "/nonexistent"},
    BadCase{"no key in the file",
            [](const World& w, tls::ServerSettings& s) { s.certificates = w.root_file; },
            "PrivateKey"},
    BadCase{"key of another certificate",
            [](const World& w, tls::ServerSettings& s) {
              s.private_keys = w.files.put("other.pem", w.root.key_pem());
            },
            "PrivateKey"},
    BadCase{"fewer keys than certificates",
            [](const World& w, tls::ServerSettings& s) {
              s.private_keys = s.certificates;
              s.certificates += ":" + w.server_file;
            },
            "fewer"},
    BadCase{"unknown cipher",
            [](const World&, tls::ServerSettings& s) { s.ciphers = "NO-SUCH-CIPHER"; },
            "tls_require_ciphers"},
    BadCase{"unknown curve", [](const World&, tls::ServerSettings& s) { s.curves = "P-9"; },
            "tls_eccurve"},
    BadCase{"unknown option", [](const World&, tls::ServerSettings& s) { s.options = "+no_such"; },
            "no_such"},
    BadCase{"option without sign", [](const World&, tls::ServerSettings& s) { s.options = "all"; },
            "expected"},
    BadCase{"no such authorities",
            [](const World&, tls::ServerSettings& s) { s.verify_certificates = "/nonexistent"; },
            "tls_verify_certificates"},
    BadCase{"no such DH parameters",
            [](const World&, tls::ServerSettings& s) { s.dh_parameters = "/nonexistent"; },
            "tls_dhparam"},
};

TEST(ServerContext, SaysWhatIsWrongWithItsSettings) {
  const World world;
  for (const BadCase& c : kBad) {
    SCOPED_TRACE(c.name);
    tls::ServerSettings settings = world.server_settings();
    c.change(world, settings);
    const auto made = tls::ServerContext::load(settings, nullptr, kNow);
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().detail().find(c.says), std::string::npos) << made.error().detail();
  }
}

TEST(ServerContext, TakesEximsNamesOfOptionsGroupsAndCurves) {
  const World world;
  tls::ServerSettings settings = world.server_settings();
  settings.options = "+no_sslv2 +no_sslv3 +single_dh_use +no_ticket +no_renegotiation -all";
  settings.curves = "X25519:P-256";
  for (const char* group : {"", "none", "historic", "ffdhe2048"}) {
    settings.dh_parameters = group;
    EXPECT_NE(server_context(settings), nullptr) << group;
  }
}

TEST(Context, RevokedCertificatesAreRefusedByTheirList) {
  const World world;
  X509_CRL* crl = X509_CRL_new();
  X509_CRL_set_version(crl, 1);
  X509_CRL_set_issuer_name(crl, X509_get_subject_name(world.root.certificate.get()));
  ASN1_TIME* at = ASN1_TIME_set(nullptr, kTestTime - 10);
  X509_CRL_set1_lastUpdate(crl, at);
  X509_REVOKED* revoked = X509_REVOKED_new();
  X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(world.server.certificate.get()));
  X509_REVOKED_set_revocationDate(revoked, at);
  X509_CRL_add0_revoked(crl, revoked);
  ASN1_TIME_free(at);
  at = ASN1_TIME_set(nullptr, kTestTime + 86400);
  X509_CRL_set1_nextUpdate(crl, at);
  ASN1_TIME_free(at);
  X509_CRL_sign(crl, world.root.key.get(), EVP_sha256());
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(bio.get(), crl);
  X509_CRL_free(crl);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  tls::ClientSettings settings = world.client_settings();
  settings.crl = world.files.put("crl.pem", std::string(bytes, static_cast<size_t>(size)));
  tls::ClientSession session;
  session.verify = tls::Verify::require;
  Pair pair(server_context(world.server_settings()), client_context(settings), {}, session);
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_NE(pair.client->failure().find("revoked"), std::string::npos) << pair.client->failure();
}

struct CacheTest : testing::Test {
  World world;
  Loop loop;
  LinesLog log;
  tls::ContextCache cache{loop, log, nullptr};

  std::shared_ptr<const tls::ServerContext> get(const tls::ServerSettings& settings) {
    Result<std::shared_ptr<const tls::ServerContext>> got = run_task(loop, cache.server(settings));
    return got ? *got : nullptr;
  }
};

TEST_F(CacheTest, GivesTheSameContextForTheSameSettings) {
  const auto first = get(world.server_settings());
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(get(world.server_settings()), first);
  tls::ServerSettings other = world.server_settings();
  other.alpn = "";
  EXPECT_NE(get(other), first);
  EXPECT_EQ(cache.size(), 2u);
  const auto client = run_task(loop, cache.client(world.client_settings()));
  ASSERT_TRUE(client);
  EXPECT_EQ(*run_task(loop, cache.client(world.client_settings())), *client);
}

TEST_F(CacheTest, NoticesThatAFileWasReplaced) {
  const auto first = get(world.server_settings());
  ASSERT_NE(first, nullptr);
  EXPECT_FALSE(first->is_stale());
  const Identity renewed = make_identity({.name = "mail.test"}, &world.root);
  world.files.put("server.pem", renewed.certificate_pem() + renewed.key_pem());
  EXPECT_TRUE(first->is_stale());
}

TEST_F(CacheTest, ABrokenFileIsAnErrorWhereNothingWasReadBefore) {
  world.files.put("server.pem", "broken");
  EXPECT_EQ(get(world.server_settings()), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
}  // namespace godwit::test
