#include "tls/dane.h"

#include "generated/source_dir.h"
#include "tests/support/json_cases.h"
#include "tests/tls/pair.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <fstream>
#include <sstream>

namespace godwit::test {
namespace {

using tls::PeerCheck;
using tls::TlsaRecord;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

// What a session that verifies by `records` says of a chain.
struct ChainVerdict {
  int code = 0;
  int depth = 0;
};
ChainVerdict verify_chain(const Json& c, const std::vector<TlsaRecord>& records,
                          const std::string& roots, int64_t time) {
  std::vector<tls::X509Ptr> certificates;
  STACK_OF(X509)* chain = sk_X509_new_null();
  for (const Json& pem : c["certs"].items) {
    const tls::BioPtr bio = tls::bio_over(pem.string);
    certificates.emplace_back(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    sk_X509_push(chain, certificates.back().get());
  }
  tls::ClientSettings settings;
  settings.verify_certificates = roots;
  const auto context = client_context(settings);
  const tls::SslPtr ssl(SSL_new(context->native()));
  SSL_set_connect_state(ssl.get());
  const std::vector<std::string> names{c["base_domain"].string};
  EXPECT_TRUE(tls::enable_dane(ssl.get(), records, names));
  if (!c["skip_name_checks"].boolean)
    SSL_dane_clear_flags(ssl.get(), DANE_FLAG_NO_DANE_EE_NAMECHECKS);

  const tls::Owned<X509_STORE_CTX, X509_STORE_CTX_free> store(X509_STORE_CTX_new());
  X509_STORE_CTX_init(store.get(), SSL_CTX_get_cert_store(context->native()),
                      certificates.empty() ? nullptr : certificates.front().get(), chain);
  X509_STORE_CTX_set_ex_data(store.get(), SSL_get_ex_data_X509_STORE_CTX_idx(), ssl.get());
  X509_STORE_CTX_set_default(store.get(), "ssl_server");
  X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(store.get()), SSL_get0_param(ssl.get()));
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(store.get()), time);
  X509_STORE_CTX_set0_dane(store.get(), SSL_get0_dane(ssl.get()));
  ChainVerdict out;
  X509_verify_cert(store.get());
  out.code = X509_STORE_CTX_get_error(store.get());
  SSL_set_verify_result(ssl.get(), out.code);
  out.depth = SSL_get0_dane_authority(ssl.get(), nullptr, nullptr);
  sk_X509_free(chain);
  tls::take_library_error({});
  return out;
}

std::vector<TlsaRecord> records_of(const Json& list) {
  std::vector<TlsaRecord> out;
  for (const Json& record : list.items) {
    out.push_back({static_cast<uint8_t>(record["usage"].number),
                   static_cast<uint8_t>(record["selector"].number),
                   static_cast<uint8_t>(record["mtype"].number), from_hex(record["data"].string)});
  }
  return out;
}

struct Suite {
  std::string_view cases;
  std::string_view roots;
};
constexpr std::array kSuites{
    Suite{"dane/openssl-danetest.json", "dane/openssl-danetest-roots.pem"},
    Suite{"dane/openssl-dane-cross.json", "dane/openssl-cross-root.pem"},
};

TEST(Dane, MatchesChainsAsTheSuiteOfOpensslExpects) {
  int played = 0;
  for (const Suite& suite : kSuites) {
    const std::string path = shared_data(GODWIT_SOURCE_DIR, suite.cases);
    if (path.empty()) GTEST_SKIP() << "SKIPPED: shared/data/dane is not here";
    const Json cases = parse_json(contents(path));
    for (const Json& c : cases.items) {
      SCOPED_TRACE(std::string(suite.cases) + " " + std::to_string(c["id"].number));
      const std::vector<TlsaRecord> records = records_of(c["tlsa"]);
      // Usages 0 and 1 do not exist between mail servers.
      if (tls::judge_tlsa(records).usable.size() != records.size()) continue;
      ++played;
      const ChainVerdict verdict =
          verify_chain(c, records, shared_data(GODWIT_SOURCE_DIR, suite.roots), 2'000'000'000);
      EXPECT_EQ(verdict.code, static_cast<int>(c["expect_verify_code"].number));
      EXPECT_EQ(verdict.depth, static_cast<int>(c["expect_match_depth"].number));
    }
  }
  EXPECT_GE(played, 20);
}

TEST(Dane, KnowsWhichRecordsCount) {
  const std::string path = shared_data(GODWIT_SOURCE_DIR, "dane/tlsa-usability.json");
  if (path.empty()) GTEST_SKIP() << "SKIPPED: shared/data/dane is not here";
  int played = 0;
  const Json suite = parse_json(contents(path));
  for (const Json& c : suite["cases"].items) {
    SCOPED_TRACE(c["id"].string);
    if (c["dnssec"].string != "secure") continue;
    std::vector<TlsaRecord> records;
    for (const Json& record : c["tlsa"].items) {
      records.push_back({static_cast<uint8_t>(record.items[0].number),
                         static_cast<uint8_t>(record.items[1].number),
                         static_cast<uint8_t>(record.items[2].number),
                         from_hex(record.items[3].string)});
    }
    if (records.empty()) continue;
    ++played;
    const tls::TlsaJudgement judged = tls::judge_tlsa(records);
    const bool usable = !c["expect"].string.starts_with("unusable-only");
    EXPECT_EQ(!judged.usable.empty(), usable) << c["expect"].string;
    EXPECT_EQ(judged.is_encrypt_only(), !usable);
  }
  EXPECT_GE(played, 8);
}

TEST(Dane, TellsTheUsagesAsBits) {
  const std::string digest(32, 'a');
  const std::vector<TlsaRecord> records{{2, 0, 1, digest}, {3, 1, 1, digest}, {1, 1, 1, digest}};
  const tls::TlsaJudgement judged = tls::judge_tlsa(records);
  EXPECT_EQ(judged.usages, 2 | 4 | 8);
  EXPECT_EQ(judged.usable.size(), 2u);
  EXPECT_FALSE(tls::judge_tlsa({}).has_records);
  EXPECT_FALSE(tls::judge_tlsa({}).is_encrypt_only());
}

// --- In a handshake ------------------------------------------------------------------------------

std::string digest_of(X509* certificate, bool key_only) {
  unsigned char* der = nullptr;
  const int size =
      key_only ? i2d_PUBKEY(X509_get0_pubkey(certificate), &der) : i2d_X509(certificate, &der);
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(der, static_cast<size_t>(size), reinterpret_cast<unsigned char*>(out.data()));
  OPENSSL_free(der);
  return out;
}

struct HandshakeCase {
  std::string_view name;
  TlsaRecord record;
  std::string server_name;
  bool opens;
};

TEST(Dane, DecidesAHandshakeWithoutAnyAuthority) {
  const World world;
  const std::string leaf = digest_of(world.server.certificate.get(), true);
  const std::string leaf_whole = digest_of(world.server.certificate.get(), false);
  const std::string root = digest_of(world.root.certificate.get(), false);
  const std::vector<HandshakeCase> cases{
      {"key of the server", {3, 1, 1, leaf}, "mail.test", true},
      {"certificate of the server", {3, 0, 1, leaf_whole}, "mail.test", true},
      {"key of the server under another name", {3, 1, 1, leaf}, "other.test", true},
      {"another key", {3, 1, 1, std::string(32, 'x')}, "mail.test", false},
      {"trust anchor", {2, 0, 1, root}, "mail.test", true},
      {"trust anchor under another name", {2, 0, 1, root}, "other.test", false},
  };
  for (const HandshakeCase& c : cases) {
    SCOPED_TRACE(c.name);
    tls::ClientSession session;
    session.tlsa = {c.record};
    session.names = {c.server_name};
    session.sni = c.server_name;
    Pair pair(server_context(world.server_settings()), client_context({}), {}, session);
    EXPECT_EQ(pair.shake_hands(), c.opens) << pair.client->failure();
    if (c.opens) EXPECT_EQ(pair.client->facts().peer_check, PeerCheck::dane);
  }
}

// RFC 7671 9: of one usage and selector the strongest digest counts.
TEST(Dane, BelievesTheStrongestDigestOnly) {
  const World world;
  const TlsaRecord weak{3, 1, 1, digest_of(world.server.certificate.get(), true)};
  const TlsaRecord wrong_weak{3, 1, 1, std::string(32, 'x')};
  const TlsaRecord wrong_strong{3, 1, 2, std::string(64, 'x')};
  const TlsaRecord other_selector{3, 0, 2, std::string(64, 'x')};
  const struct {
    std::vector<TlsaRecord> records;
    bool opens;
  } cases[] = {{{weak, wrong_strong}, false},
               {{wrong_strong, weak}, false},
               {{weak, wrong_weak}, true},
               {{weak, other_selector}, true}};
  for (const auto& c : cases) {
    tls::ClientSession session;
    session.tlsa = c.records;
    session.names = {"mail.test"};
    Pair pair(server_context(world.server_settings()), client_context({}), {}, session);
    EXPECT_EQ(pair.shake_hands(), c.opens) << &c - cases << pair.client->failure();
  }
}

TEST(Dane, KnowsWhichNamesWouldHaveBeenEnough) {
  const World world;
  const std::string root = digest_of(world.root.certificate.get(), false);
  const std::string leaf = digest_of(world.server.certificate.get(), true);
  for (const TlsaRecord& record : {TlsaRecord{2, 0, 1, root}, TlsaRecord{3, 1, 1, leaf}}) {
    tls::ClientSession session;
    session.tlsa = {record};
    session.names = {"other.test", "mx.mail.test"};
    Pair pair(server_context(world.server_settings()), client_context({}), {}, session);
    ASSERT_TRUE(pair.shake_hands()) << pair.client->failure();
    EXPECT_TRUE(pair.client->would_trust(session.names));
    const std::vector<std::string> others{"other.test"};
    EXPECT_EQ(pair.client->would_trust(others), record.usage == 3);
  }
}

TEST(Dane, TakesTheOriginalDomainAsANameOfATrustAnchorsServer) {
  const World world;
  tls::ClientSession session;
  session.tlsa = {{2, 0, 1, digest_of(world.root.certificate.get(), false)}};
  session.names = {"other.test", "mx.mail.test"};
  Pair pair(server_context(world.server_settings()), client_context({}), {}, session);
  EXPECT_TRUE(pair.shake_hands()) << pair.client->failure();
}

}  // namespace
}  // namespace godwit::test
