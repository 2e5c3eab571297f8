// Engine: one end of a TLS session. Ciphertext in, ciphertext out, plaintext in, plaintext out; no
// socket, no clock of its own beyond what certificates need.
//     engine.receive(bytes);               // what arrived, however it was cut
//     switch (engine.handshake()) { ... }  // until done
//     engine.read(buffer); engine.write(bytes); engine.take_output();
// Used by: TlsStream, tests, fuzzers. Lifetime: holds its context. Errors: whatever the peer sends
// ends in `failed` with failure(), and an alert in the output.
// RFC 8446, 5246, 6066, 7301, 7672.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "tls/dane.h"
#include "tls/facts.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct ssl_st;

namespace godwit::tls {

class ClientContext;
class ServerContext;
class SessionCache;

enum class Verify : uint8_t { no, attempt, require };

struct ServerSession {
  Verify verify = Verify::no;     // of the client's certificate
  bool resumption = false;        // tls_resumption_hosts
  WallTime now;                   // for tickets, proofs and certificates
  bool asks_for_context = false;  // pause once the server name is known (Handshake::wants_context)
  bool speaks_early = false;      // pause where the server may speak first (Handshake::may_speak)
};

struct ClientSession {
  WallTime now;  // for proofs and certificates
  Verify verify = Verify::attempt;
  std::string sni;                 // empty: none is sent
  std::vector<std::string> names;  // one of which the certificate must have; empty: any will do
  bool request_ocsp = false;
  bool require_ocsp = false;
  std::vector<TlsaRecord> tlsa;  // usable ones; not empty: DANE instead of authorities
  // Resumption: null or an empty key for none. Sessions are kept under the key and `sni`.
  SessionCache* sessions = nullptr;
  std::string session_key;
};

enum class Handshake : uint8_t {
  done,
  wants_input,
  wants_context,  // server_name() is known: use_context() or keep the one it has, then go on
  may_speak,  // write_early() now, if at all; the client has not proved anything yet. TLS 1.3 only
  failed,
};

enum class ReadState : uint8_t { bytes, wants_input, ended, failed };

class Engine {
 public:
  static std::unique_ptr<Engine> make_server(std::shared_ptr<const ServerContext> context,
                                             const ServerSession& session);
  static Result<std::unique_ptr<Engine>> make_client(std::shared_ptr<const ClientContext> context,
                                                     const ClientSession& session);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // --- Ciphertext
  void receive(std::string_view bytes);
  // False where plaintext should be taken before more is received.
  bool wants_ciphertext() const noexcept;
  bool has_output() const noexcept { return !output_.empty(); }
  std::string take_output();
  // The peer's stream ended without a close_notify.
  void peer_gone() noexcept { peer_gone_ = true; }

  // --- Handshake
  Handshake handshake();
  bool is_open() const noexcept { return open_; }
  std::string_view server_name() const noexcept { return server_name_; }
  void use_context(std::shared_ptr<const ServerContext> context);
  // Goes out with the server's part of the handshake.
  Result<void> write_early(std::string_view bytes);

  // --- Plaintext
  struct ReadResult {
    ReadState state = ReadState::wants_input;
    size_t bytes = 0;
  };
  ReadResult read(std::span<char> into);
  // True where read() would give bytes now.
  bool has_plaintext();
  // True where read() may find something without more ciphertext.
  bool has_unread() const noexcept;
  // Everything is taken into the output.
  Result<void> write(std::string_view bytes);
  // Tells the peer that nothing more will come. Once.
  void close_notify();

  // After `failed`: what the library says ("no shared cipher"), for logs.
  const std::string& failure() const noexcept { return failure_; }
  // After `done`; of the client nothing before.
  SessionFacts facts() const;
  // The certificates that were looked at, the peer's own first; none after a resumption, or where
  // nothing was checked.
  std::vector<ChainLink> checked_chain() const;
  // After `done`, with DANE: whether a trust anchor's server has one of these names, or a record
  // vouches for its key whatever the names are.
  bool would_trust(std::span<const std::string> names) const;
  size_t pending_bytes() const noexcept { return input_.size() - input_at_; }

  // What the library takes and gives: for its callbacks.
  int get_ciphertext(char* into, int size);  // -1: nothing there yet
  int put_ciphertext(const char* bytes, int size);

 private:
  friend struct EngineCallbacks;
  Engine() = default;
  void attach();
  void set_server_verify();
  Handshake stopped(int result);
  Handshake begin_speaking();
  void fail(std::string_view otherwise);
  void judge_status();
  void note_resumption();

  ssl_st* ssl_ = nullptr;
  std::shared_ptr<const ServerContext> server_;
  std::shared_ptr<const ClientContext> client_;
  SessionCache* sessions_ = nullptr;
  std::string session_key_;
  std::string input_;
  std::string output_;
  std::string server_name_;
  std::string failure_;
  std::string proof_problem_;
  size_t input_at_ = 0;
  WallTime now_;
  OcspState ocsp_ = OcspState::not_requested;
  uint8_t resumption_ = 0;
  Verify verify_ = Verify::no;
  bool asks_for_context_ = false;
  bool speaks_early_ = false;
  bool context_asked_ = false;
  bool uses_dane_ = false;
  bool requires_ocsp_ = false;
  bool open_ = false;
  bool failed_ = false;
  bool peer_gone_ = false;
  bool close_sent_ = false;
};

}  // namespace godwit::tls
