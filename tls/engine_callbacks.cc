#include "tls/engine_callbacks.h"

#include "tls/context.h"
#include "tls/limits.h"
#include "tls/ocsp.h"
#include "tls/session_cache.h"
#include "tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

namespace godwit::tls {
namespace {

constexpr int kIvBytes = 16;
char kProven = 1;  // its address marks a session whose proof was good

struct EngineBio {
  static const BIO_METHOD* method() {
    static BIO_METHOD* const made = make();
    return made;
  }

 private:
  static BIO_METHOD* make() {
    BIO_METHOD* out = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "engine");
    BIO_meth_set_create(out, [](BIO* bio) noexcept {
      BIO_set_init(bio, 1);
      return 1;
    });
    BIO_meth_set_write(out, [](BIO* bio, const char* bytes, int size) noexcept {
      return static_cast<Engine*>(BIO_get_data(bio))->put_ciphertext(bytes, size);
    });
    BIO_meth_set_read(out, [](BIO* bio, char* into, int size) noexcept {
      BIO_clear_retry_flags(bio);
      const int taken = static_cast<Engine*>(BIO_get_data(bio))->get_ciphertext(into, size);
      if (taken < 0) BIO_set_retry_read(bio);
      return taken;
    });
    BIO_meth_set_ctrl(out, [](BIO*, int command, long, void*) noexcept -> long {
      return command == BIO_CTRL_FLUSH ? 1 : 0;
    });
    return out;
  }
};

// The name of a server_name extension (RFC 6066 3); empty where there is none that makes sense.
std::string_view server_name_in(SSL* ssl) {
  const unsigned char* data = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) return {};
  // A list length, then one entry: its type and a length.
  if (size < 5) return {};
  const auto number = [&](size_t at) { return static_cast<size_t>(data[at] << 8 | data[at + 1]); };
  if (number(0) != size - 2 || data[2] != TLSEXT_NAMETYPE_host_name || number(3) > size - 5)
    return {};
  const std::string_view name(reinterpret_cast<const char*>(data) + 5, number(3));
  const bool plain =
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; });
  return plain && name.size() <= kServerNameBytesMax ? name : std::string_view();
}

bool has_extension(SSL* ssl, unsigned int type) {
  const unsigned char* data = nullptr;
  size_t size = 0;
  return SSL_client_hello_get0_ext(ssl, type, &data, &size) == 1;
}

// Where a session remembers what became of the proof that came with its first handshake.
int ocsp_index() {
  static const int index = SSL_SESSION_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool set_mac_key(EVP_MAC_CTX* mac, const TicketKey& key) {
  OSSL_PARAM params[2];
  char digest[] = "SHA256";
  params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
  params[1] = OSSL_PARAM_construct_end();
  return EVP_MAC_init(mac, key.mac_key.data(), key.mac_key.size(), params) == 1;
}

}  // namespace

BIO* EngineCallbacks::make_bio(Engine& engine) {
  BIO* bio = BIO_new(EngineBio::method());
  BIO_set_data(bio, &engine);
  return bio;
}

int EngineCallbacks::on_client_hello(SSL* ssl, int*, void*) noexcept {
  Engine& engine = engine_of(ssl);
  if (engine.context_asked_) return SSL_CLIENT_HELLO_SUCCESS;
  engine.context_asked_ = true;
  engine.server_name_ = server_name_in(ssl);
  if (has_extension(ssl, TLSEXT_TYPE_session_ticket) || has_extension(ssl, TLSEXT_TYPE_psk))
    engine.resumption_ |= kResumptionClientRequested;
  if (has_extension(ssl, TLSEXT_TYPE_psk)) engine.resumption_ |= kResumptionSessionOffered;
  const bool asks = engine.asks_for_context_ && !engine.server_name_.empty();
  return asks ? SSL_CLIENT_HELLO_RETRY : SSL_CLIENT_HELLO_SUCCESS;
}

int EngineCallbacks::on_alpn(SSL*, const unsigned char** out, unsigned char* out_size,
                             const unsigned char* in, unsigned int in_size, void* wanted) noexcept {
  const auto& accepted = *static_cast<const std::string*>(wanted);
  if (accepted.empty()) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_size,
                                          reinterpret_cast<const unsigned char*>(accepted.data()),
                                          static_cast<unsigned int>(accepted.size()), in, in_size);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int EngineCallbacks::on_status_request(SSL* ssl, void*) noexcept {
  Engine& engine = engine_of(ssl);
  engine.ocsp_ = OcspState::no_response;
  const std::string* proof = engine.server_->staple_for(SSL_get_certificate(ssl), engine.now_);
  if (proof == nullptr) return SSL_TLSEXT_ERR_NOACK;
  auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(proof->data(), proof->size()));
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(proof->size()));
  engine.ocsp_ = OcspState::verified;
  return SSL_TLSEXT_ERR_OK;
}

int EngineCallbacks::on_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv,
                                   EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                                   int encrypting) noexcept {
  Engine& engine = engine_of(ssl);
  TicketKeys* keys = engine.server_->tickets();
  if (keys == nullptr) return 0;
  if (encrypting == 1) {
    const TicketKey& key = keys->current(engine.now_);
    std::copy(key.name.begin(), key.name.end(), name);
    if (RAND_bytes(iv, kIvBytes) != 1) return -1;
    if (EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher_key.data(), iv) != 1)
      return -1;
    engine.resumption_ |= kResumptionTicketIssued;
    return set_mac_key(mac, key) ? 1 : -1;
  }
  engine.resumption_ |= kResumptionSessionOffered;
  const TicketKey* key = keys->find(name, engine.now_);
  if (key == nullptr) return 0;
  if (!set_mac_key(mac, *key)) return -1;
  if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher_key.data(), iv) != 1)
    return -1;
  // 2: good, and give a new ticket. In TLS 1.3 each is for one use.
  const bool lasts = key == &keys->current(engine.now_) && SSL_version(ssl) < TLS1_3_VERSION;
  return lasts ? 1 : 2;
}

int EngineCallbacks::on_status(SSL* ssl, void*) noexcept {
  Engine& engine = engine_of(ssl);
  if (SSL_session_reused(ssl) == 1) {
    const void* kept = SSL_SESSION_get_ex_data(SSL_get_session(ssl), ocsp_index());
    if (kept != nullptr) engine.ocsp_ = OcspState::verified;
  } else {
    engine.judge_status();
  }
  if (!engine.requires_ocsp_ || engine.ocsp_ == OcspState::verified) return 1;
  return 0;
}

int EngineCallbacks::on_new_session(SSL* ssl, SSL_SESSION* session) noexcept {
  Engine& engine = engine_of(ssl);
  if (engine.sessions_ == nullptr || SSL_SESSION_is_resumable(session) != 1) return 0;
  if (engine.ocsp_ == OcspState::verified) SSL_SESSION_set_ex_data(session, ocsp_index(), &kProven);
  engine.resumption_ |= kResumptionTicketIssued;
  engine.sessions_->put(engine.session_key_, session);
  return 1;
}

}  // namespace godwit::tls
