#include "tls/engine.h"

#include "tls/context.h"
#include "tls/engine_callbacks.h"
#include "tls/limits.h"
#include "tls/ocsp.h"
#include "tls/session_cache.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace godwit::tls {
namespace {

std::string version_of(const SSL* ssl) {
  switch (SSL_version(ssl)) {
    case TLS1_2_VERSION:
      return "TLS1.2";
    case TLS1_3_VERSION:
      return "TLS1.3";
    default:
      return SSL_get_version(ssl);
  }
}

std::string name_text(const X509_NAME* name) {
  std::array<char, 512> text{};
  if (X509_NAME_oneline(name, text.data(), static_cast<int>(text.size())) == nullptr) return {};
  return text.data();
}

// Sessions are shared by what would be verified in the same way only.
std::string full_session_key(const ClientSession& session) {
  std::string key = session.session_key;
  const auto add = [&](std::string_view part) {
    key += '\0';
    key += part;
  };
  add(session.sni);
  add(session.require_ocsp ? "o" : "");
  add(std::to_string(static_cast<int>(session.verify)));
  for (const std::string& name : session.names) add(name);
  for (const TlsaRecord& record : session.tlsa) {
    add(std::to_string(record.usage) + ' ' + std::to_string(record.selector) + ' ' +
        std::to_string(record.matching_type));
    add(record.data);
  }
  return key;
}

void set_verify_time(SSL* ssl, WallTime now) {
  if (now.micros != 0) X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), now.seconds());
}

}  // namespace

std::unique_ptr<Engine> Engine::make_server(std::shared_ptr<const ServerContext> context,
                                            const ServerSession& session) {
  std::unique_ptr<Engine> engine(new Engine);
  engine->ssl_ = SSL_new(context->native());
  engine->server_ = std::move(context);
  engine->verify_ = session.verify;
  engine->asks_for_context_ = session.asks_for_context;
  // What a certificate decides must not be said before it is there.
  engine->speaks_early_ = session.speaks_early && session.verify == Verify::no;
  engine->now_ = session.now;
  engine->attach();
  SSL* ssl = engine->ssl_;
  SSL_set_accept_state(ssl);
  if (session.resumption) {
    engine->resumption_ = kResumptionSupported;
    SSL_clear_options(ssl, SSL_OP_NO_TICKET);
    SSL_set_num_tickets(ssl, 1);
  } else {
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
    SSL_set_num_tickets(ssl, 0);
  }
  // A session that was begun without a client certificate must not stand for one with it.
  const std::array<unsigned char, 2> scope{'g',
                                           static_cast<unsigned char>('0' + int(session.verify))};
  SSL_set_session_id_context(ssl, scope.data(), scope.size());
  engine->set_server_verify();
  return engine;
}

void Engine::set_server_verify() {
  if (verify_ == Verify::no) {
    SSL_set_verify(ssl_, SSL_VERIFY_NONE, nullptr);
  } else if (verify_ == Verify::attempt) {
    SSL_set_verify(ssl_, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, &EngineCallbacks::accept_anyway);
  } else {
    SSL_set_verify(ssl_, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                   nullptr);
  }
  set_verify_time(ssl_, now_);
}

Result<std::unique_ptr<Engine>> Engine::make_client(std::shared_ptr<const ClientContext> context,
                                                    const ClientSession& session) {
  std::unique_ptr<Engine> engine(new Engine);
  engine->ssl_ = SSL_new(context->native());
  engine->client_ = std::move(context);
  engine->verify_ = engine->client_->can_verify() ? session.verify : Verify::no;
  engine->now_ = session.now;
  engine->requires_ocsp_ = session.require_ocsp;
  engine->uses_dane_ = !session.tlsa.empty();
  engine->attach();
  SSL* ssl = engine->ssl_;
  SSL_set_connect_state(ssl);
  if (engine->uses_dane_) {
    const Result<void> enabled = enable_dane(ssl, session.tlsa, session.names);
    if (!enabled) return enabled.error();
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  } else if (session.verify == Verify::require && engine->verify_ == Verify::no) {
    return Error(Errc::invalid_argument, "verification is required, with no authority to trust");
  } else if (engine->verify_ != Verify::no) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    for (const std::string& name : session.names) SSL_add1_host(ssl, name.c_str());
    SSL_set_verify(ssl, SSL_VERIFY_PEER,
                   engine->verify_ == Verify::attempt ? &EngineCallbacks::accept_anyway : nullptr);
  }
  set_verify_time(ssl, session.now);
  if (!session.sni.empty() && SSL_set_tlsext_host_name(ssl, session.sni.c_str()) == 1)
    engine->server_name_ = session.sni;
  if (session.request_ocsp || session.require_ocsp) {
    SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
    engine->ocsp_ = OcspState::no_response;
  }
  if (session.sessions != nullptr && !session.session_key.empty()) {
    engine->sessions_ = session.sessions;
    engine->session_key_ = full_session_key(session);
    engine->resumption_ = kResumptionSupported | kResumptionClientRequested;
    SSL_clear_options(ssl, SSL_OP_NO_TICKET);
    SSL_SESSION* known = session.sessions->take(engine->session_key_);
    if (known != nullptr) {
      engine->resumption_ |= kResumptionSessionOffered;
      SSL_set_session(ssl, known);
      SSL_SESSION_free(known);
    }
  }
  return engine;
}

void Engine::attach() {
  GODWIT_ASSERT(ssl_ != nullptr);
  SSL_set_app_data(ssl_, this);
  BIO* bio = EngineCallbacks::make_bio(*this);
  SSL_set_bio(ssl_, bio, bio);
}

Engine::~Engine() {
  // Without this the library takes the session for one that was cut off, not to be resumed.
  if (open_ && !failed_) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
  ERR_clear_error();
}

// --- Ciphertext ----------------------------------------------------------------------------------

void Engine::receive(std::string_view bytes) {
  input_.append(bytes);
}

bool Engine::wants_ciphertext() const noexcept {
  return pending_bytes() < kPendingCiphertextMax;
}

std::string Engine::take_output() {
  return std::exchange(output_, std::string());
}

int Engine::put_ciphertext(const char* bytes, int size) {
  output_.append(bytes, static_cast<size_t>(size));
  return size;
}

int Engine::get_ciphertext(char* into, int size) {
  const size_t taken = std::min(pending_bytes(), static_cast<size_t>(size));
  if (taken == 0) return -1;
  std::memcpy(into, input_.data() + input_at_, taken);
  input_at_ += taken;
  if (input_at_ == input_.size()) {
    std::string().swap(input_);
    input_at_ = 0;
  }
  return static_cast<int>(taken);
}

// --- Handshake -----------------------------------------------------------------------------------

Handshake Engine::handshake() {
  if (open_) return Handshake::done;
  if (failed_) return Handshake::failed;
  ERR_clear_error();
  if (speaks_early_) {
    const Handshake early = begin_speaking();
    if (early != Handshake::done) return early;
  }
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    open_ = true;
    if (SSL_session_reused(ssl_) == 1) note_resumption();
    return Handshake::done;
  }
  return stopped(result);
}

// Up to the end of the server's flight; `done` where the handshake goes on in the usual way.
Handshake Engine::begin_speaking() {
  char unused = 0;
  size_t taken = 0;
  switch (SSL_read_early_data(ssl_, &unused, 1, &taken)) {
    case SSL_READ_EARLY_DATA_FINISH:
      speaks_early_ = false;
      return SSL_version(ssl_) == TLS1_3_VERSION ? Handshake::may_speak : Handshake::done;
    case SSL_READ_EARLY_DATA_SUCCESS:  // no ticket of ours allows it
      fail("the client sent early data");
      return Handshake::failed;
    default:
      return stopped(0);
  }
}

Result<void> Engine::write_early(std::string_view bytes) {
  ERR_clear_error();
  size_t written = 0;
  if (SSL_write_early_data(ssl_, bytes.data(), bytes.size(), &written) == 1) return {};
  fail("the greeting could not be sent");
  return Error(Errc::connection_reset, failure_);
}

Handshake Engine::stopped(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      if (!peer_gone_) return Handshake::wants_input;
      failed_ = true;
      failure_ = "the peer closed the connection during the handshake";
      return Handshake::failed;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
      return Handshake::wants_context;
    default:
      fail("handshake failed");
      return Handshake::failed;
  }
}

void Engine::note_resumption() {
  resumption_ |= kResumptionUsed;
  // Before TLS 1.3 the same session may be resumed again; it was taken out of the cache.
  if (sessions_ != nullptr && SSL_version(ssl_) < TLS1_3_VERSION)
    sessions_->put(session_key_, SSL_get1_session(ssl_));
}

void Engine::use_context(std::shared_ptr<const ServerContext> context) {
  SSL_set_SSL_CTX(ssl_, context->native());
  server_ = std::move(context);
  set_server_verify();
}

void Engine::fail(std::string_view otherwise) {
  failed_ = true;
  failure_ = take_library_error(otherwise);
  const long verified = SSL_get_verify_result(ssl_);
  if (requires_ocsp_ && !proof_problem_.empty()) {
    failure_ += ": " + proof_problem_;
  } else if (verified != X509_V_OK && (uses_dane_ || verify_ == Verify::require)) {
    failure_ += std::string(": ") + X509_verify_cert_error_string(verified);
  }
}

// Looks at the proof that a server sent, or did not.
void Engine::judge_status() {
  const unsigned char* bytes = nullptr;
  const long size = SSL_get_tlsext_status_ocsp_resp(ssl_, &bytes);
  if (bytes == nullptr || size <= 0) {
    ocsp_ = OcspState::no_response;
    proof_problem_ = "Required TLS certificate status not received";
    return;
  }
  const std::string_view der(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  STACK_OF(X509)* verified = SSL_get0_verified_chain(ssl_);
  const bool is_verified = verified != nullptr && SSL_get_verify_result(ssl_) == X509_V_OK;
  STACK_OF(X509)* chain = is_verified ? verified : SSL_get_peer_cert_chain(ssl_);
  const Result<OcspProof> proof = examine_ocsp(der, SSL_get0_peer_certificate(ssl_), chain);
  ocsp_ = OcspState::failed;
  if (!proof) {
    proof_problem_ =
        "Received TLS cert status response, itself unverifiable: " + proof.error().detail();
  } else if (proof->status == OcspProof::Status::revoked) {
    proof_problem_ = "Server certificate revoked";
    if (!proof->reason.empty()) proof_problem_ += "; reason: " + proof->reason;
  } else if (proof->status == OcspProof::Status::unknown) {
    proof_problem_ = "Server certificate status unknown, in OCSP stapling";
  } else if (!proof->is_current(now_)) {
    proof_problem_ = "Server certificate status is out-of-date";
  } else if (!is_verified) {
    ocsp_ = OcspState::not_verified;
    proof_problem_ = "the server's certificate itself is not verified";
  } else {
    ocsp_ = OcspState::verified;
  }
}

// --- Plaintext -----------------------------------------------------------------------------------

Engine::ReadResult Engine::read(std::span<char> into) {
  if (failed_) return {ReadState::failed, 0};
  ERR_clear_error();
  size_t taken = 0;
  if (SSL_read_ex(ssl_, into.data(), into.size(), &taken) == 1) return {ReadState::bytes, taken};
  switch (SSL_get_error(ssl_, 0)) {
    case SSL_ERROR_WANT_READ:
      return {peer_gone_ ? ReadState::ended : ReadState::wants_input, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {ReadState::ended, 0};
    default:
      fail("the session broke");
      return {ReadState::failed, 0};
  }
}

bool Engine::has_plaintext() {
  if (!open_ || failed_) return false;
  ERR_clear_error();
  char byte = 0;
  size_t seen = 0;
  const bool has = SSL_peek_ex(ssl_, &byte, 1, &seen) == 1;
  ERR_clear_error();
  return has;
}

bool Engine::has_unread() const noexcept {
  return pending_bytes() > 0 || SSL_has_pending(ssl_) == 1 || failed_ ||
         (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
}

Result<void> Engine::write(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (!open_ || failed_ || close_sent_) return Error(Errc::connection_closed, "TLS session");
  ERR_clear_error();
  size_t taken = 0;
  if (SSL_write_ex(ssl_, bytes.data(), bytes.size(), &taken) == 1) return {};
  fail("writing failed");
  return Error(Errc::connection_reset, failure_);
}

void Engine::close_notify() {
  if (!open_ || failed_ || close_sent_) return;
  close_sent_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_);
}

std::vector<ChainLink> Engine::checked_chain() const {
  std::vector<ChainLink> out;
  if (!uses_dane_ && verify_ == Verify::no) return out;
  const STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl_);
  for (int n = 0; n < sk_X509_num(chain); ++n) {
    X509* link = sk_X509_value(chain, n);
    out.push_back({to_pem(link), name_text(X509_get_subject_name(link))});
  }
  return out;
}

bool Engine::would_trust(std::span<const std::string> names) const {
  constexpr uint8_t kDaneEe = 3;
  uint8_t usage = 0;
  if (SSL_get0_dane_tlsa(ssl_, &usage, nullptr, nullptr, nullptr, nullptr) >= 0 && usage == kDaneEe)
    return true;
  X509* peer = SSL_get0_peer_certificate(ssl_);
  return peer != nullptr && std::ranges::any_of(names, [peer](const std::string& name) {
           return X509_check_host(peer, name.data(), name.size(),
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
         });
}

// --- Facts ---------------------------------------------------------------------------------------

SessionFacts Engine::facts() const {
  SessionFacts out;
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_);
  int bits = 0;
  SSL_CIPHER_get_bits(cipher, &bits);
  out.bits = bits;
  out.version = version_of(ssl_);
  out.cipher = out.version + ":" + SSL_CIPHER_get_name(cipher) + ":" + std::to_string(bits);
  out.cipher_std = SSL_CIPHER_standard_name(cipher);
  out.sni = server_name_;
  out.ocsp = ocsp_;
  out.ocsp_problem = proof_problem_;
  out.resumption = resumption_;
  const unsigned char* alpn = nullptr;
  unsigned int alpn_size = 0;
  SSL_get0_alpn_selected(ssl_, &alpn, &alpn_size);
  if (alpn_size > 0) out.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  out.our_certificate = to_pem(SSL_get_certificate(ssl_));
  X509* peer = SSL_get0_peer_certificate(ssl_);
  if (peer == nullptr) return out;
  out.peer_dn = name_text(X509_get_subject_name(peer));
  out.peer_certificate = to_pem(peer);
  const long verified = SSL_get_verify_result(ssl_);
  const bool was_checked = uses_dane_ || verify_ != Verify::no;
  if (was_checked && verified == X509_V_OK) {
    out.peer_check = uses_dane_ ? PeerCheck::dane : PeerCheck::yes;
  } else if (was_checked) {
    out.verify_error = X509_verify_cert_error_string(verified);
  }
  return out;
}

}  // namespace godwit::tls
