// Two engines back to back, and the contexts that tests give them.
#pragma once

#include "tests/tls/certificates.h"
#include "tls/context.h"
#include "tls/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

namespace godwit::test {

inline constexpr WallTime kNow = WallTime::from_seconds(kTestTime);

struct World {
  TestFiles files;
  Identity root = make_identity({.name = "Test Root", .is_authority = true});
  Identity server =
      make_identity({.name = "mail.test", .other_names = {"DNS:mx.mail.test"}}, &root);
  std::string root_file = files.put("root.pem", root.certificate_pem());
  std::string server_file =
      files.put("server.pem", server.certificate_pem() + root.certificate_pem() + server.key_pem());

  tls::ServerSettings server_settings() const {
    tls::ServerSettings settings;
    settings.certificates = server_file;
    settings.host_name = "mail.test";
    settings.alpn = "smtp";
    return settings;
  }
  tls::ClientSettings client_settings() const {
    tls::ClientSettings settings;
    settings.verify_certificates = root_file;
    return settings;
  }
};

inline std::shared_ptr<const tls::ServerContext> server_context(
    const tls::ServerSettings& settings, tls::TicketKeys* tickets = nullptr) {
  Result<std::shared_ptr<const tls::ServerContext>> made =
      tls::ServerContext::load(settings, tickets, kNow);
  EXPECT_TRUE(made) << (made ? "" : made.error().to_string());
  return made ? *made : nullptr;
}

inline std::shared_ptr<const tls::ClientContext> client_context(
    const tls::ClientSettings& settings) {
  Result<std::shared_ptr<const tls::ClientContext>> made = tls::ClientContext::load(settings);
  EXPECT_TRUE(made) << (made ? "" : made.error().to_string());
  return made ? *made : nullptr;
}

struct Pair {
  std::unique_ptr<tls::Engine> server;
  std::unique_ptr<tls::Engine> client;
  size_t piece = static_cast<size_t>(-1);  // how many bytes travel at once

  Pair(const World& world, tls::ServerSession server_session = {},
       tls::ClientSession client_session = {})
      : Pair(server_context(world.server_settings()), client_context(world.client_settings()),
             server_session, client_session) {}
  Pair(std::shared_ptr<const tls::ServerContext> server_made,
       std::shared_ptr<const tls::ClientContext> client_made, tls::ServerSession server_session,
       tls::ClientSession client_session) {
    server_session.now = kNow;
    client_session.now = kNow;
    server = tls::Engine::make_server(std::move(server_made), server_session);
    Result<std::unique_ptr<tls::Engine>> made =
        tls::Engine::make_client(std::move(client_made), client_session);
    EXPECT_TRUE(made) << (made ? "" : made.error().to_string());
    if (made) client = std::move(*made);
  }

  // Moves what one side has to say; true where it had something.
  static bool carry(tls::Engine& from, tls::Engine& to, size_t piece) {
    const std::string bytes = from.take_output();
    for (size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size() - at)) {
      to.receive(std::string_view(bytes).substr(at, piece));
      to.handshake();
    }
    return !bytes.empty();
  }
  // True where both ends are open.
  bool shake_hands() {
    for (int turn = 0; turn < 20; ++turn) {
      client->handshake();
      bool any = carry(*client, *server, piece);
      server->handshake();
      any |= carry(*server, *client, piece);
      if (!any) break;
    }
    // What comes after the handshake: tickets.
    if (client->is_open()) client->has_plaintext();
    return client->is_open() && server->is_open();
  }
  static std::string received(tls::Engine& engine) {
    std::string out;
    std::array<char, 1000> buffer;
    for (;;) {
      const tls::Engine::ReadResult result = engine.read(buffer);
      if (result.state != tls::ReadState::bytes) return out;
      out.append(buffer.data(), result.bytes);
    }
  }
};

}  // namespace godwit::test
