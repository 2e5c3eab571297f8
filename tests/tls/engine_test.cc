#include "tls/engine.h"

#include "tests/tls/pair.h"
#include "tls/session_cache.h"
#include "tls/tickets.h"

#include <gtest/gtest.h>

namespace godwit::test {
namespace {

using tls::Handshake;
using tls::PeerCheck;
using tls::ReadState;
using tls::Verify;

tls::ClientSession expecting(const std::string& name, Verify verify = Verify::require) {
  tls::ClientSession session;
  session.verify = verify;
  session.sni = name;
  session.names = {name};
  return session;
}

TEST(TlsEngine, TwoEnginesShakeHandsAndTalkHoweverTheBytesAreCut) {
  const World world;
  for (const size_t piece : {static_cast<size_t>(-1), size_t{1}, size_t{7}}) {
    SCOPED_TRACE(piece);
    Pair pair(world, {}, expecting("mail.test"));
    pair.piece = piece;
    ASSERT_TRUE(pair.shake_hands()) << pair.client->failure() << pair.server->failure();
    const std::string text(50'000, 'x');
    ASSERT_TRUE(pair.client->write(text));
    Pair::carry(*pair.client, *pair.server, piece);
    EXPECT_EQ(Pair::received(*pair.server), text);
    ASSERT_TRUE(pair.server->write("250 OK\r\n"));
    Pair::carry(*pair.server, *pair.client, piece);
    EXPECT_EQ(Pair::received(*pair.client), "250 OK\r\n");
  }
}

TEST(TlsEngine, TellsWhatWasAgreed) {
  const World world;
  Pair pair(world, {}, expecting("mail.test"));
  ASSERT_TRUE(pair.shake_hands());
  const tls::SessionFacts server = pair.server->facts();
  EXPECT_EQ(server.version, "TLS1.3");
  EXPECT_EQ(server.cipher, "TLS1.3:TLS_AES_256_GCM_SHA384:256");
  EXPECT_EQ(server.cipher_std, "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(server.bits, 256);
  EXPECT_EQ(server.sni, "mail.test");
  EXPECT_EQ(server.peer_check, PeerCheck::no);
  EXPECT_EQ(server.peer_dn, "");
  EXPECT_EQ(server.our_certificate, world.server.certificate_pem());
  const tls::SessionFacts client = pair.client->facts();
  EXPECT_EQ(client.peer_check, PeerCheck::yes);
  EXPECT_EQ(client.peer_dn, "/CN=mail.test");
  EXPECT_EQ(client.peer_certificate, world.server.certificate_pem());
}

TEST(TlsEngine, RefusesACertificateOfAnotherNameOnlyWhereVerificationIsRequired) {
  const World world;
  Pair strict(world, {}, expecting("other.test"));
  EXPECT_FALSE(strict.shake_hands());
  EXPECT_NE(strict.client->failure().find("hostname mismatch"), std::string::npos)
      << strict.client->failure();
  Pair lax(world, {}, expecting("other.test", Verify::attempt));
  ASSERT_TRUE(lax.shake_hands());
  EXPECT_EQ(lax.client->facts().peer_check, PeerCheck::no);
  EXPECT_EQ(lax.client->facts().verify_error, "hostname mismatch");
}

TEST(TlsEngine, RefusesAnUnknownAuthorityWhereVerificationIsRequired) {
  const World world;
  const World elsewhere;
  Pair pair(server_context(world.server_settings()), client_context(elsewhere.client_settings()),
            {}, expecting("mail.test"));
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_FALSE(pair.server->is_open());
}

TEST(TlsEngine, WantsSomeAuthorityWhereVerificationIsRequired) {
  const auto context = client_context({});
  EXPECT_FALSE(tls::Engine::make_client(context, expecting("mail.test")));
}

struct ClientCertificateCase {
  std::string_view name;
  Verify verify;
  int shown;  // 0: none, 1: a good one, 2: one from an unknown authority
  bool opens;
  PeerCheck check;
};
constexpr std::array kClientCertificates{
    ClientCertificateCase{"not asked for", Verify::no, 1, true, PeerCheck::no},
    ClientCertificateCase{"good, tried", Verify::attempt, 1, true, PeerCheck::yes},
    ClientCertificateCase{"none, tried", Verify::attempt, 0, true, PeerCheck::no},
    ClientCertificateCase{"bad, tried", Verify::attempt, 2, true, PeerCheck::no},
    ClientCertificateCase{"good, required", Verify::require, 1, true, PeerCheck::yes},
    ClientCertificateCase{"none, required", Verify::require, 0, false, PeerCheck::no},
    ClientCertificateCase{"bad, required", Verify::require, 2, false, PeerCheck::no},
};

TEST(TlsEngine, JudgesClientCertificatesAsItsSessionSays) {
  const World world;
  const Identity good = make_identity({.name = "client.test"}, &world.root);
  const Identity bad = make_identity({.name = "stranger.test"});
  const std::array<std::string, 3> shown{
      "", world.files.put("good.pem", good.certificate_pem() + good.key_pem()),
      world.files.put("bad.pem", bad.certificate_pem() + bad.key_pem())};
  tls::ServerSettings settings = world.server_settings();
  settings.verify_certificates = world.root_file;
  const auto server = server_context(settings);
  for (const ClientCertificateCase& c : kClientCertificates) {
    SCOPED_TRACE(c.name);
    tls::ClientSettings client_settings = world.client_settings();
    client_settings.certificate = shown[static_cast<size_t>(c.shown)];
    tls::ServerSession session;
    session.verify = c.verify;
    Pair pair(server, client_context(client_settings), session, expecting("mail.test"));
    pair.shake_hands();
    ASSERT_EQ(pair.server->is_open(), c.opens) << pair.server->failure();
    if (!c.opens) continue;
    const tls::SessionFacts facts = pair.server->facts();
    EXPECT_EQ(facts.peer_check, c.check);
    if (c.verify != Verify::no && c.shown == 1) {
      EXPECT_EQ(facts.peer_dn, "/CN=client.test");
      EXPECT_EQ(facts.peer_certificate, good.certificate_pem());
    }
  }
}

TEST(TlsEngine, PausesForTheContextOfTheNameThatAClientAsksFor) {
  const World world;
  const Identity other = make_identity({.name = "other.test"}, &world.root);
  tls::ServerSettings settings = world.server_settings();
  settings.certificates = world.files.put("other.pem", other.certificate_pem() + other.key_pem());
  const auto second = server_context(settings);
  tls::ServerSession session;
  session.asks_for_context = true;
  for (const bool switches : {true, false}) {
    SCOPED_TRACE(switches);
    Pair pair(world, session, expecting(switches ? "other.test" : "mail.test"));
    pair.client->handshake();
    pair.server->receive(pair.client->take_output());
    ASSERT_EQ(pair.server->handshake(), Handshake::wants_context);
    EXPECT_EQ(pair.server->server_name(), switches ? "other.test" : "mail.test");
    if (switches) pair.server->use_context(second);
    EXPECT_TRUE(pair.shake_hands()) << pair.client->failure();
  }
  Pair unnamed(world, session, expecting("", Verify::no));
  EXPECT_TRUE(unnamed.shake_hands());
}

TEST(TlsEngine, ChoosesTheCertificateThatTheClientCanUse) {
  const World world;
  const Identity rsa = make_identity({.name = "mail.test", .rsa = true}, &world.root);
  tls::ServerSettings settings = world.server_settings();
  settings.certificates += ":" + world.files.put("rsa.pem", rsa.certificate_pem() + rsa.key_pem());
  const auto server = server_context(settings);
  tls::ClientSettings only_rsa = world.client_settings();
  only_rsa.ciphers = "ECDHE-RSA-AES256-GCM-SHA384";
  only_rsa.options = "+no_tlsv1_3";
  Pair first(server, client_context(only_rsa), {}, expecting("mail.test"));
  ASSERT_TRUE(first.shake_hands()) << first.server->failure();
  EXPECT_EQ(first.client->facts().cipher, "TLS1.2:ECDHE-RSA-AES256-GCM-SHA384:256");
  EXPECT_EQ(first.client->facts().peer_certificate, rsa.certificate_pem());
  only_rsa.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  Pair second(server, client_context(only_rsa), {}, expecting("mail.test"));
  ASSERT_TRUE(second.shake_hands()) << second.server->failure();
  EXPECT_EQ(second.client->facts().peer_certificate, world.server.certificate_pem());
}

TEST(TlsEngine, AgreesOnNoCipherThatIsNotAllowed) {
  const World world;
  tls::ServerSettings settings = world.server_settings();
  settings.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305:TLS_CHACHA20_POLY1305_SHA256";
  const auto server = server_context(settings);
  Pair good(server, client_context(world.client_settings()), {}, expecting("mail.test"));
  ASSERT_TRUE(good.shake_hands());
  EXPECT_EQ(good.server->facts().cipher_std, "TLS_CHACHA20_POLY1305_SHA256");
  tls::ClientSettings other = world.client_settings();
  other.ciphers = "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256";
  Pair none(server, client_context(other), {}, expecting("mail.test"));
  EXPECT_FALSE(none.shake_hands());
  EXPECT_NE(none.server->failure().find("no shared cipher"), std::string::npos)
      << none.server->failure();
}

TEST(TlsEngine, RefusesAProtocolThatItDoesNotSpeak) {
  const World world;
  tls::ClientSettings web = world.client_settings();
  web.alpn = "http/1.1";
  Pair wrong(server_context(world.server_settings()), client_context(web), {},
             expecting("mail.test"));
  EXPECT_FALSE(wrong.shake_hands());
  web.alpn = "http/1.1:smtp";
  Pair right(server_context(world.server_settings()), client_context(web), {},
             expecting("mail.test"));
  ASSERT_TRUE(right.shake_hands());
  EXPECT_EQ(right.server->facts().alpn, "smtp");
}

TEST(TlsEngine, EndsInOrderAndTellsATruncatedStream) {
  const World world;
  Pair pair(world, {}, expecting("mail.test"));
  ASSERT_TRUE(pair.shake_hands());
  pair.client->close_notify();
  Pair::carry(*pair.client, *pair.server, 1000);
  std::array<char, 10> buffer;
  EXPECT_EQ(pair.server->read(buffer).state, ReadState::ended);
  EXPECT_FALSE(pair.client->write("more"));
  EXPECT_EQ(pair.client->read(buffer).state, ReadState::wants_input);
  pair.client->peer_gone();
  EXPECT_EQ(pair.client->read(buffer).state, ReadState::ended);
}

TEST(TlsEngine, EndsAHandshakeThatThePeerLeaves) {
  const World world;
  Pair pair(world);
  pair.server->peer_gone();
  EXPECT_EQ(pair.server->handshake(), Handshake::failed);
  EXPECT_EQ(pair.server->handshake(), Handshake::failed);
}

TEST(TlsEngine, AnswersGarbageWithAnAlert) {
  const World world;
  for (const std::string garbage :
       {"EHLO x\r\n", "GET / HTTP/1.0\r\n\r\n", "\x16\x03\x01\xff\xff"}) {
    Pair pair(world);
    pair.server->receive(garbage + std::string(70'000, 'a'));
    EXPECT_EQ(pair.server->handshake(), Handshake::failed);
    EXPECT_FALSE(pair.server->failure().empty());
  }
}

struct ResumptionWorld : World {
  tls::TicketKeys keys{tls::make_ticket_secret(kNow)};
  tls::TicketKeys other_worker{tls::make_ticket_secret(kNow)};
  tls::SessionCache sessions;
  std::shared_ptr<const tls::ServerContext> server = server_context(server_settings(), &keys);

  bool resumes(const std::shared_ptr<const tls::ServerContext>& at, const std::string& options,
               const std::string& key, tls::ServerSession server_session) {
    tls::ClientSettings settings = client_settings();
    settings.options = options;
    tls::ClientSession session = expecting("mail.test");
    session.sessions = &sessions;
    session.session_key = key;
    Pair pair(at, client_context(settings), server_session, session);
    EXPECT_TRUE(pair.shake_hands()) << pair.server->failure() << pair.client->failure();
    EXPECT_EQ(pair.server->facts().is_resumed(), pair.client->facts().is_resumed());
    EXPECT_EQ(pair.client->facts().peer_check, PeerCheck::yes);
    return pair.client->facts().is_resumed();
  }
};

TEST(TlsEngine, ResumesSessionsWhereBothSidesAllowIt) {
  for (const std::string options : {"", "+no_tlsv1_3"}) {
    SCOPED_TRACE(options);
    ResumptionWorld world;
    tls::ServerSession allowed;
    allowed.resumption = true;
    EXPECT_FALSE(world.resumes(world.server, options, "host", allowed));
    EXPECT_TRUE(world.resumes(world.server, options, "host", allowed));
    EXPECT_TRUE(world.resumes(world.server, options, "host", allowed));
    EXPECT_FALSE(world.resumes(world.server, options, "another host", allowed));
    EXPECT_FALSE(world.resumes(world.server, options, "host", {}));
  }
}

TEST(TlsEngine, OpensTheTicketsOfOtherWorkersWithTheSameSecretOnly) {
  ResumptionWorld world;
  tls::ServerSession allowed;
  allowed.resumption = true;
  const tls::TicketSecret secret = tls::make_ticket_secret(kNow);
  tls::TicketKeys first(secret);
  tls::TicketKeys second(secret);
  const auto one = server_context(world.server_settings(), &first);
  const auto two = server_context(world.server_settings(), &second);
  EXPECT_FALSE(world.resumes(one, "", "host", allowed));
  EXPECT_TRUE(world.resumes(two, "", "host", allowed));
  EXPECT_FALSE(world.resumes(world.server, "", "host", allowed));
}

TEST(TlsEngine, DoesNotTakeASessionWithoutACertificateForOneWithIt) {
  ResumptionWorld world;
  tls::ServerSettings settings = world.server_settings();
  settings.verify_certificates = world.root_file;
  const auto server = server_context(settings, &world.keys);
  tls::ServerSession allowed;
  allowed.resumption = true;
  EXPECT_FALSE(world.resumes(server, "", "host", allowed));
  allowed.verify = Verify::attempt;
  EXPECT_FALSE(world.resumes(server, "", "host", allowed));
  EXPECT_TRUE(world.resumes(server, "", "host", allowed));
}

TEST(SessionCache, KeepsTheNewestOfEachKeyAndDropsTheOldestKey) {
  tls::SessionCache cache(2);
  SSL_SESSION* first = SSL_SESSION_new();
  cache.put("a", first);
  SSL_SESSION* second = SSL_SESSION_new();
  cache.put("a", second);
  cache.put("b", SSL_SESSION_new());
  EXPECT_EQ(cache.size(), 2u);
  cache.put("c", SSL_SESSION_new());
  EXPECT_EQ(cache.take("a"), nullptr);
  SSL_SESSION* taken = cache.take("b");
  EXPECT_NE(taken, nullptr);
  SSL_SESSION_free(taken);
  EXPECT_EQ(cache.take("b"), nullptr);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(TicketKeys, MoveOnWithTheHourAndForgetTheHourBeforeLast) {
  const tls::TicketSecret secret = tls::make_ticket_secret(kNow);
  tls::TicketKeys keys(secret);
  tls::TicketKeys late(secret);
  const tls::TicketKey first = keys.current(kNow);
  const WallTime next = kNow + tls::kTicketKeyLifetime;
  EXPECT_NE(keys.current(next).name, first.name);
  EXPECT_NE(keys.find(first.name.data(), next), nullptr);
  EXPECT_NE(keys.find(first.name.data(), next), &keys.current(next));
  EXPECT_EQ(late.current(next).name, keys.current(next).name);
  EXPECT_EQ(keys.find(first.name.data(), next + tls::kTicketKeyLifetime), nullptr);
  // A clock that went back or far ahead does no harm.
  EXPECT_NE(keys.find(keys.current(kNow).name.data(), kNow), nullptr);
  keys.current(kNow + Seconds{100L * 365 * 86400});
}

}  // namespace
}  // namespace godwit::test
