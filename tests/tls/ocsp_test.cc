#include "tls/ocsp.h"

#include "generated/source_dir.h"
#include "tests/support/json_cases.h"
#include "tests/tls/pair.h"
#include "tls/session_cache.h"
#include "tls/tickets.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace godwit::test {
namespace {

using tls::OcspForm;
using tls::OcspProof;
using tls::OcspState;
using tls::Verify;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

std::string from_base64(const std::string& text) {
  std::string clean;
  for (char c : text) {
    if (c > ' ') clean += c;
  }
  std::string out(clean.size(), '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(clean.data()),
                                   static_cast<int>(clean.size()));
  size_t padding = 0;
  while (padding < clean.size() && clean[clean.size() - 1 - padding] == '=') ++padding;
  out.resize(static_cast<size_t>(std::max(size, 0)) - (size > 0 ? padding : 0));
  return out;
}

std::string to_ocsp_pem(const std::string& der) {
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), "OCSP RESPONSE", "", reinterpret_cast<const unsigned char*>(der.data()),
                static_cast<long>(der.size()));
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return std::string(bytes, static_cast<size_t>(size));
}

STACK_OF(X509) * certificates_of(const std::string& pem) {
  STACK_OF(X509)* out = sk_X509_new_null();
  const tls::BioPtr bio = tls::bio_over(pem);
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    sk_X509_push(out, certificate);
  tls::take_library_error({});
  return out;
}

TEST(Ocsp, VerifiesSignaturesAsTheSuiteOfOpensslExpects) {
  const std::string path = shared_data(GODWIT_SOURCE_DIR, "ocsp/openssl/cases.json");
  if (path.empty()) GTEST_SKIP() << "SKIPPED: shared/data/ocsp is not here";
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  const Json cases = parse_json(contents(path));
  ASSERT_GE(cases.items.size(), 40u);
  for (const Json& c : cases.items) {
    SCOPED_TRACE(c["group"].string + ": " + c["name"].string);
    const std::string der = from_base64(contents(directory / c["response_b64"].string));
    STACK_OF(X509)* roots = certificates_of(contents(directory / c["cafile"].string));
    STACK_OF(X509)* untrusted = certificates_of(contents(directory / c["untrusted"].string));
    const tls::StorePtr store(X509_STORE_new());
    for (int i = 0; i < sk_X509_num(roots); ++i)
      X509_STORE_add_cert(store.get(), sk_X509_value(roots, i));
    X509_VERIFY_PARAM* param = X509_STORE_get0_param(store.get());
    X509_VERIFY_PARAM_set_time(param, static_cast<time_t>(c["attime_unix"].number));
    if (c["partial_chain"].boolean) X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
    const Result<void> verified = tls::verify_ocsp_signature(der, untrusted, store.get());
    EXPECT_EQ(verified.has_value(), c["expect_ok"].boolean);
    sk_X509_pop_free(roots, X509_free);
    sk_X509_pop_free(untrusted, X509_free);
  }
}

struct Responder : World {
  Identity delegate = make_identity({.name = "OCSP", .signs_ocsp = true}, &root);
  Identity stranger = make_identity({.name = "Stranger", .is_authority = true});

  Result<OcspProof> examine(const std::string& der) const {
    STACK_OF(X509)* chain = sk_X509_new_null();
    sk_X509_push(chain, server.certificate.get());
    sk_X509_push(chain, root.certificate.get());
    Result<OcspProof> out = tls::examine_ocsp(der, server.certificate.get(), chain);
    sk_X509_free(chain);
    return out;
  }
};

TEST(Ocsp, ReadsWhatAResponseSaysOfACertificate) {
  const Responder world;
  const Result<OcspProof> good =
      world.examine(make_ocsp_response(world.server, world.root, world.root));
  ASSERT_TRUE(good) << good.error().to_string();
  EXPECT_EQ(good->status, OcspProof::Status::good);
  EXPECT_TRUE(good->is_current(kNow));
  const Result<OcspProof> delegated =
      world.examine(make_ocsp_response(world.server, world.root, world.delegate));
  ASSERT_TRUE(delegated) << delegated.error().to_string();
  EXPECT_EQ(delegated->status, OcspProof::Status::good);
  const Result<OcspProof> revoked = world.examine(make_ocsp_response(
      world.server, world.root, world.root, {.status = V_OCSP_CERTSTATUS_REVOKED}));
  ASSERT_TRUE(revoked);
  EXPECT_EQ(revoked->status, OcspProof::Status::revoked);
  EXPECT_EQ(revoked->reason, "keyCompromise");
  const Result<OcspProof> unknown = world.examine(make_ocsp_response(
      world.server, world.root, world.root, {.status = V_OCSP_CERTSTATUS_UNKNOWN}));
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->status, OcspProof::Status::unknown);
}

TEST(Ocsp, RefusesResponsesOfTheWrongHandOrAboutOthers) {
  const Responder world;
  EXPECT_FALSE(world.examine(make_ocsp_response(world.server, world.root, world.stranger)));
  EXPECT_FALSE(world.examine(make_ocsp_response(world.server, world.root, world.server)));
  EXPECT_FALSE(world.examine(make_ocsp_response(world.delegate, world.root, world.root)));
  EXPECT_FALSE(world.examine("no response"));
  std::string broken = make_ocsp_response(world.server, world.root, world.root);
  broken[broken.find("Test Root")] = 'B';
  EXPECT_FALSE(world.examine(broken));
}

struct WindowCase {
  std::string_view name;
  int64_t from;
  int64_t until;
  bool is_current;
};
constexpr std::array kWindows{
    WindowCase{"in date", -3600, 3600, true},
    WindowCase{"no nextUpdate", -3600, -kTestTime, false},
    WindowCase{"expired", -7200, -3600, false},
    WindowCase{"expired, within what clocks may differ", -7200, -200, true},
    WindowCase{"not yet valid", 3600, 7200, false},
    WindowCase{"not yet valid, within what clocks may differ", 200, 7200, true},
};

TEST(Ocsp, JudgesTheDatesOfAProof) {
  const Responder world;
  for (const WindowCase& c : kWindows) {
    SCOPED_TRACE(c.name);
    const Result<OcspProof> proof = world.examine(
        make_ocsp_response(world.server, world.root, world.root,
                           {.from = kTestTime + c.from, .until = kTestTime + c.until}));
    ASSERT_TRUE(proof);
    EXPECT_EQ(proof->is_current(kNow), c.is_current);
  }
}

TEST(Ocsp, AProofEndsWithTheCertificateOfItsSigner) {
  const Responder world;
  const Identity brief =
      make_identity({.name = "OCSP", .signs_ocsp = true, .until = kTestTime + 1000}, &world.root);
  const Result<OcspProof> proof = world.examine(
      make_ocsp_response(world.server, world.root, brief, {.until = kTestTime + 9000}));
  ASSERT_TRUE(proof);
  EXPECT_EQ(proof->until, WallTime::from_seconds(kTestTime + 1000));
  EXPECT_FALSE(proof->is_current(kNow + Seconds{1000 + 301}));
}

TEST(Ocsp, ReadsFilesOfBothForms) {
  const Responder world;
  const std::string der = make_ocsp_response(world.server, world.root, world.root);
  ASSERT_TRUE(tls::parse_ocsp_file(der, OcspForm::der));
  EXPECT_FALSE(tls::parse_ocsp_file(der + "x", OcspForm::der));
  EXPECT_FALSE(tls::parse_ocsp_file(der, OcspForm::pem));
  EXPECT_FALSE(tls::parse_ocsp_file("", OcspForm::pem));
  const std::string pem = to_ocsp_pem(der);
  const Result<std::vector<std::string>> two =
      tls::parse_ocsp_file(world.root.certificate_pem() + pem + "words\n" + pem, OcspForm::pem);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->size(), 2u);
  EXPECT_EQ(two->front(), der);
  EXPECT_FALSE(tls::parse_ocsp_file(pem, OcspForm::der));
}

TEST(Ocsp, AFormHoldsForTheItemsThatFollow) {
  const std::vector<tls::OcspFile> files = tls::parse_ocsp_list("/a : PEM /b : /c : DER  /d");
  ASSERT_EQ(files.size(), 4u);
  EXPECT_EQ(files[0].form, OcspForm::der);
  EXPECT_EQ(files[1].path, "/b");
  EXPECT_EQ(files[1].form, OcspForm::pem);
  EXPECT_EQ(files[2].form, OcspForm::pem);
  EXPECT_EQ(files[3].path, "/d");
  EXPECT_EQ(files[3].form, OcspForm::der);
}

// --- In a handshake ------------------------------------------------------------------------------

struct StapleWorld : Responder {
  std::shared_ptr<const tls::ServerContext> with(const std::string& list) const {
    tls::ServerSettings settings = server_settings();
    settings.ocsp_files = list;
    return server_context(settings);
  }
  std::shared_ptr<const tls::ServerContext> stapling(const std::string& der) const {
    return with(files.put("proof.der", der));
  }
  static tls::ClientSession wanting(bool required, Verify verify = Verify::require) {
    tls::ClientSession session;
    session.verify = verify;
    session.names = {"mail.test"};
    session.request_ocsp = true;
    session.require_ocsp = required;
    return session;
  }
};

TEST(OcspStapling, AGoodProofGoesWithTheHandshakeAndIsVerified) {
  const StapleWorld world;
  for (const Identity* signer : {&world.root, &world.delegate}) {
    for (const std::string options : {"", "+no_tlsv1_3"}) {
      const auto server = world.stapling(make_ocsp_response(world.server, world.root, *signer));
      EXPECT_TRUE(server->problems().empty()) << server->problems().front();
      tls::ClientSettings settings = world.client_settings();
      settings.options = options;
      Pair pair(server, client_context(settings), {}, StapleWorld::wanting(true));
      ASSERT_TRUE(pair.shake_hands()) << pair.client->failure();
      EXPECT_EQ(pair.client->facts().ocsp, OcspState::verified);
      EXPECT_EQ(pair.server->facts().ocsp, OcspState::verified);
    }
  }
}

struct UselessCase {
  std::string_view name;
  ResponseOptions options;
};
constexpr std::array kUseless{
    UselessCase{"revoked", {.status = V_OCSP_CERTSTATUS_REVOKED}},
    UselessCase{"unknown", {.status = V_OCSP_CERTSTATUS_UNKNOWN}},
    UselessCase{"no nextUpdate", {.until = 0}},
    UselessCase{"expired", {.from = kTestTime - 9000, .until = kTestTime - 4000}},
    UselessCase{"not yet valid", {.from = kTestTime + 4000, .until = kTestTime + 9000}},
};

TEST(OcspStapling, AUselessProofStaysAtHomeAndTheHandshakeGoesOn) {
  const StapleWorld world;
  for (const UselessCase& c : kUseless) {
    SCOPED_TRACE(c.name);
    const auto server =
        world.stapling(make_ocsp_response(world.server, world.root, world.root, c.options));
    Pair pair(server, client_context(world.client_settings()), {}, StapleWorld::wanting(false));
    ASSERT_TRUE(pair.shake_hands());
    EXPECT_EQ(pair.server->facts().ocsp, OcspState::no_response);
    EXPECT_EQ(pair.client->facts().ocsp, OcspState::no_response);
    Pair strict(server, client_context(world.client_settings()), {}, StapleWorld::wanting(true));
    EXPECT_FALSE(strict.shake_hands());
    EXPECT_NE(strict.client->failure().find("Required TLS certificate status not received"),
              std::string::npos);
  }
}

TEST(OcspStapling, AProofServesFromTheMomentThatItIsGood) {
  const StapleWorld world;
  const auto server = world.stapling(make_ocsp_response(
      world.server, world.root, world.root, {.from = kTestTime + 4000, .until = kTestTime + 9000}));
  X509* certificate = world.server.certificate.get();
  EXPECT_EQ(server->staple_for(certificate, kNow), nullptr);
  EXPECT_NE(server->staple_for(certificate, kNow + Seconds{5000}), nullptr);
  EXPECT_EQ(server->staple_for(certificate, kNow + Seconds{10000}), nullptr);
}

TEST(OcspStapling, MissingAndBrokenFilesAreProblemsThatAreTold) {
  const StapleWorld world;
  const auto missing = world.with(world.files.path("missing"));
  ASSERT_EQ(missing->problems().size(), 1u);
  EXPECT_NE(missing->problems()[0].find("Failed to open OCSP response file"), std::string::npos);
  const auto broken = world.stapling("garbage");
  ASSERT_EQ(broken->problems().size(), 1u);
  EXPECT_NE(broken->problems()[0].find("Error reading OCSP response from"), std::string::npos);
}

TEST(OcspStapling, EachCertificateGetsItsOwnProof) {
  StapleWorld world;
  const Identity rsa = make_identity({.name = "mail.test", .rsa = true}, &world.root);
  tls::ServerSettings settings = world.server_settings();
  settings.certificates +=
      ":" + world.files.put("rsa.pem",
                            rsa.certificate_pem() + world.root.certificate_pem() + rsa.key_pem());
  const std::string first = make_ocsp_response(world.server, world.root, world.root);
  const std::string second = make_ocsp_response(rsa, world.root, world.delegate);
  settings.ocsp_files = world.files.put("second.der", second) + " : PEM " +
                        world.files.put("first.pem", to_ocsp_pem(first));
  const auto server = server_context(settings);
  EXPECT_TRUE(server->problems().empty());
  const std::string* staple = server->staple_for(world.server.certificate.get(), kNow);
  ASSERT_NE(staple, nullptr);
  EXPECT_EQ(*staple, first);
  staple = server->staple_for(rsa.certificate.get(), kNow);
  ASSERT_NE(staple, nullptr);
  EXPECT_EQ(*staple, second);
}

TEST(OcspStapling, AClientThatDoesNotAskGetsNothing) {
  const StapleWorld world;
  const auto server = world.stapling(make_ocsp_response(world.server, world.root, world.root));
  Pair pair(server, client_context(world.client_settings()), {}, {});
  ASSERT_TRUE(pair.shake_hands());
  EXPECT_EQ(pair.client->facts().ocsp, OcspState::not_requested);
  EXPECT_EQ(pair.server->facts().ocsp, OcspState::not_requested);
}

TEST(OcspStapling, AProofForACertificateThatIsNotVerifiedProvesNothing) {
  const StapleWorld world;
  const auto server = world.stapling(make_ocsp_response(world.server, world.root, world.root));
  tls::ClientSession session = StapleWorld::wanting(false, Verify::attempt);
  session.names = {"other.test"};
  Pair pair(server, client_context(world.client_settings()), {}, session);
  ASSERT_TRUE(pair.shake_hands());
  EXPECT_EQ(pair.client->facts().ocsp, OcspState::not_verified);
}

TEST(OcspStapling, AResumedSessionKeepsTheProofOfItsFirstHandshake) {
  StapleWorld world;
  tls::TicketKeys keys(tls::make_ticket_secret(kNow));
  tls::ServerSettings settings = world.server_settings();
  settings.ocsp_files =
      world.files.put("proof.der", make_ocsp_response(world.server, world.root, world.root));
  const auto server = server_context(settings, &keys);
  tls::SessionCache sessions;
  tls::ServerSession allowed;
  allowed.resumption = true;
  for (const bool resumed : {false, true}) {
    tls::ClientSession session = StapleWorld::wanting(true);
    session.sessions = &sessions;
    session.session_key = "host";
    Pair pair(server, client_context(world.client_settings()), allowed, session);
    ASSERT_TRUE(pair.shake_hands()) << pair.client->failure();
    EXPECT_EQ(pair.client->facts().is_resumed(), resumed);
    EXPECT_EQ(pair.client->facts().ocsp, OcspState::verified);
  }
}

}  // namespace
}  // namespace godwit::test
