// What the library calls back: the transport of an engine's bytes, and its questions during a
// handshake. Only for the sources of this folder.
#pragma once

#include "tls/engine.h"
#include "tls/openssl.h"

namespace godwit::tls {

struct EngineCallbacks {
  static Engine& engine_of(const SSL* ssl) noexcept {
    return *static_cast<Engine*>(SSL_get_app_data(ssl));
  }
  // A BIO that reads an engine's input and appends to its output.
  static BIO* make_bio(Engine& engine);

  // Server.
  static int on_client_hello(SSL* ssl, int* alert, void*) noexcept;
  static int on_server_name(SSL*, int*, void*) noexcept { return SSL_TLSEXT_ERR_OK; }
  static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                     const unsigned char* in, unsigned int in_size, void* wanted) noexcept;
  static int on_status_request(SSL* ssl, void*) noexcept;
  static int on_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                           EVP_MAC_CTX* mac, int encrypting) noexcept;
  // Client.
  static int on_status(SSL* ssl, void*) noexcept;
  static int on_new_session(SSL* ssl, SSL_SESSION* session) noexcept;
  // Both: a peer that cannot be verified, where that is only to be told.
  static int accept_anyway(int, X509_STORE_CTX*) noexcept { return 1; }
  // A key file with a passphrase is an error, not a question to a terminal.
  static int no_passphrase(char*, int, int, void*) noexcept { return -1; }
};

}  // namespace godwit::tls
