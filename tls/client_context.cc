#include "tls/context_loader.h"
#include "tls/engine_callbacks.h"

#include <utility>

namespace godwit::tls {

class ClientLoader : ContextLoader {
 public:
  static Result<std::shared_ptr<const ClientContext>> load(const ClientSettings& settings) {
    std::shared_ptr<ClientContext> context(new ClientContext);
    ClientLoader loader(*context);
    const Result<void> loaded = loader.run(*context, settings);
    if (!loaded) return loaded.error();
    return std::shared_ptr<const ClientContext>(std::move(context));
  }

 private:
  explicit ClientLoader(Context& context) : ContextLoader(context) {}

  Result<void> run(ClientContext& context, const ClientSettings& settings) {
    if (Result<void> begun = begin(TLS_client_method(), settings.options); !begun) return begun;
    if (Result<void> set = set_ciphers(settings.ciphers); !set) return set;
    if (!settings.certificate.empty()) {
      const std::string& key =
          settings.private_key.empty() ? settings.certificate : settings.private_key;
      if (Result<void> added = add_certificate(settings.certificate, key); !added) return added;
    }
    const Result<bool> verifies = set_authorities(settings.verify_certificates, settings.crl);
    if (!verifies) return verifies.error();
    context.can_verify_ = *verifies;
    const std::string alpn = alpn_wire(settings.alpn);
    if (!alpn.empty()) {
      SSL_CTX_set_alpn_protos(native(), reinterpret_cast<const unsigned char*>(alpn.data()),
                              static_cast<unsigned int>(alpn.size()));
    }
    SSL_CTX_dane_enable(native());
    SSL_CTX_set_session_cache_mode(native(),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(native(), &EngineCallbacks::on_new_session);
    SSL_CTX_set_tlsext_status_cb(native(), &EngineCallbacks::on_status);
    return {};
  }
};

Result<std::shared_ptr<const ClientContext>> ClientContext::load(const ClientSettings& settings) {
  return ClientLoader::load(settings);
}

}  // namespace godwit::tls
