#include "core/config/values.h"
#include "tls/context_loader.h"
#include "tls/engine_callbacks.h"
#include "tls/limits.h"
#include "tls/ocsp.h"
#include "tls/self_signed.h"

#include <openssl/pem.h>

#include <utility>

namespace godwit::tls {

struct ServerContext::Staple {
  X509Ptr certificate;
  std::string der;
  OcspProof proof;
};

class ServerLoader : ContextLoader {
 public:
  static Result<std::shared_ptr<const ServerContext>> load(const ServerSettings& settings,
                                                           TicketKeys* tickets, WallTime now) {
    std::shared_ptr<ServerContext> context(new ServerContext);
    context->tickets_ = tickets;
    ServerLoader loader(*context, settings);
    const Result<void> loaded = loader.run(now);
    if (!loaded) return loaded.error();
    return std::shared_ptr<const ServerContext>(std::move(context));
  }

 private:
  ServerLoader(ServerContext& context, const ServerSettings& settings)
      : ContextLoader(context), context_(context), settings_(settings) {}

  Result<void> run(WallTime now) {
    if (Result<void> begun = begin(TLS_server_method(), settings_.options); !begun) return begun;
    SSL_CTX_set_session_cache_mode(native(), SSL_SESS_CACHE_OFF);
    if (Result<void> set = set_ciphers(settings_.ciphers); !set) return set;
    if (Result<void> added = add_certificates(now); !added) return added;
    if (Result<void> set = set_groups(); !set) return set;
    const Result<bool> verifies = set_authorities(settings_.verify_certificates, settings_.crl);
    if (!verifies) return verifies.error();
    if (*verifies) name_authorities();
    set_callbacks();
    for (const OcspFile& file : parse_ocsp_list(settings_.ocsp_files)) add_proofs(file, now);
    return {};
  }

  // The nth key belongs to the nth certificate; without a list of keys each is in the file of its
  // certificate.
  Result<void> add_certificates(WallTime now) {
    const std::vector<std::string> certificates = config::split_list(settings_.certificates);
    if (certificates.empty()) return add_self_signed(native(), settings_.host_name, now);
    const std::vector<std::string> keys = config::split_list(settings_.private_keys);
    if (!keys.empty() && keys.size() < certificates.size())
      return Error(Errc::config, "tls_privatekey has fewer items than tls_certificate");
    for (size_t i = 0; i < certificates.size(); ++i) {
      const std::string& key = keys.empty() ? certificates[i] : keys[i];
      if (Result<void> added = add_certificate(certificates[i], key); !added) return added;
    }
    return {};
  }

  Result<void> set_groups() {
    const std::string& curves = settings_.curves;
    if (!curves.empty() && curves != "auto" &&
        SSL_CTX_set1_groups_list(native(), curves.c_str()) != 1)
      return Error(Errc::config, "tls_eccurve: " + take_library_error(curves));
    return set_dh();
  }

  Result<void> set_dh() {
    const std::string& source = settings_.dh_parameters;
    if (source == "none") return {};
    if (!source.starts_with('/')) {
      // Named groups: the library takes the one that suits the certificate's strength.
      SSL_CTX_set_dh_auto(native(), 1);
      return {};
    }
    note_file(source);
    const Result<std::string> text = read_whole_file(source, kCertificateFileBytesMax);
    if (!text) return Error(Errc::config, "tls_dhparam: " + text.error().to_string());
    const BioPtr bio = bio_over(*text);
    PkeyPtr group(PEM_read_bio_Parameters(bio.get(), nullptr));
    if (group == nullptr) return Error(Errc::config, "tls_dhparam: " + take_library_error(source));
    const int bits = EVP_PKEY_get_bits(group.get());
    if (bits > settings_.dh_bits_max) {
      note_problem("tls_dhparam: " + source + " has " + std::to_string(bits) +
                   " bits, more than tls_dh_max_bits; not used");
      return {};
    }
    if (SSL_CTX_set0_tmp_dh_pkey(native(), group.get()) != 1)
      return Error(Errc::config, "tls_dhparam: " + take_library_error(source));
    group.release();
    return {};
  }

  // Tells clients which authorities their certificates may be from.
  void name_authorities() {
    if (settings_.verify_certificates == "system") return;  // hundreds: an empty list says "any"
    STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(settings_.verify_certificates.c_str());
    take_library_error({});  // a directory
    if (names != nullptr) SSL_CTX_set_client_CA_list(native(), names);
  }

  void set_callbacks() {
    context_.alpn_ = alpn_wire(settings_.alpn);
    SSL_CTX_set_client_hello_cb(native(), &EngineCallbacks::on_client_hello, nullptr);
    SSL_CTX_set_tlsext_servername_callback(native(), &EngineCallbacks::on_server_name);
    SSL_CTX_set_alpn_select_cb(native(), &EngineCallbacks::on_alpn, &context_.alpn_);
    SSL_CTX_set_tlsext_status_cb(native(), &EngineCallbacks::on_status_request);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(native(), &EngineCallbacks::on_ticket_key);
  }

  // A proof that is of no use is left out: the handshake goes on without it.
  void add_proofs(const OcspFile& file, WallTime now) {
    note_file(file.path);
    const Result<std::string> bytes = read_whole_file(file.path, kOcspFileBytesMax);
    if (!bytes) {
      return note_problem("Failed to open OCSP response file \"" + file.path +
                          "\": " + std::string(bytes.error().row().text));
    }
    const Result<std::vector<std::string>> responses = parse_ocsp_file(*bytes, file.form);
    if (!responses) {
      return note_problem("Error reading OCSP response from \"" + file.path +
                          "\": " + responses.error().detail());
    }
    std::string problem;
    bool any = false;
    for (const std::string& der : *responses) any |= add_proof(der, now, problem);
    if (!any) note_problem("OCSP response of \"" + file.path + "\" is not used: " + problem);
  }

  bool add_proof(const std::string& der, WallTime now, std::string& problem) {
    bool any = false;
    for (long more = SSL_CTX_set_current_cert(native(), SSL_CERT_SET_FIRST); more == 1;
         more = SSL_CTX_set_current_cert(native(), SSL_CERT_SET_NEXT)) {
      X509* certificate = SSL_CTX_get0_certificate(native());
      STACK_OF(X509)* chain = nullptr;
      SSL_CTX_get0_chain_certs(native(), &chain);
      STACK_OF(X509)* known = chain == nullptr ? sk_X509_new_null() : sk_X509_dup(chain);
      sk_X509_push(known, certificate);
      Result<OcspProof> proof = examine_ocsp(der, certificate, known);
      sk_X509_free(known);
      if (!proof) {
        problem = proof.error().detail();
        continue;
      }
      problem = problem_with(*proof, now);
      const bool may_be_good_later = proof->has_until && proof->until >= now;
      if (proof->status != OcspProof::Status::good || !may_be_good_later) continue;
      X509_up_ref(certificate);
      context_.staples_.push_back(std::make_unique<ServerContext::Staple>(
          ServerContext::Staple{X509Ptr(certificate), der, std::move(*proof)}));
      any = true;
    }
    take_library_error({});
    return any;
  }

  static std::string problem_with(const OcspProof& proof, WallTime now) {
    if (proof.status == OcspProof::Status::revoked) return "the certificate is revoked";
    if (proof.status == OcspProof::Status::unknown) return "the status is unknown";
    if (!proof.has_until) return "it has no nextUpdate";
    return proof.is_current(now) ? "" : "it is out of date";
  }

  ServerContext& context_;
  const ServerSettings& settings_;
};

ServerContext::~ServerContext() = default;

Result<std::shared_ptr<const ServerContext>> ServerContext::load(const ServerSettings& settings,
                                                                 TicketKeys* tickets,
                                                                 WallTime now) {
  return ServerLoader::load(settings, tickets, now);
}

const std::string* ServerContext::staple_for(x509_st* certificate, WallTime now) const {
  for (const std::unique_ptr<Staple>& staple : staples_) {
    if (X509_cmp(staple->certificate.get(), certificate) == 0 && staple->proof.is_current(now))
      return &staple->der;
  }
  return nullptr;
}

}  // namespace godwit::tls
