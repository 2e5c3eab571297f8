// TLS of the smtp transport: its tls_* options and host lists, and what they say of one host.
#pragma once

#include "acl/expand/expansion.h"
#include "acl/lists/lists.h"
#include "delivery/transport/dane_policy.h"
#include "tls/engine.h"
#include "tls/settings.h"

#include <memory>
#include <string>

namespace godwit::delivery {

struct SmtpOptions;
struct TransportCompileContext;

// What a connection is for.
enum class SmtpUse : uint8_t { deliver, verify };

// How one connection uses TLS.
struct TlsPlan {
  bool attempts = false;       // STARTTLS where it is offered
  bool requires_tls = false;   // no delivery in clear
  bool requires_alpn = false;  // hosts_require_alpn
  bool on_connect = false;     // protocol = smtps
  bool tries_clear = false;    // tls_tempfail_tryclear: in clear where TLS fails
  bool uses_dane = false;
  uint8_t tlsa_usages = 0;
  // The last of session.names are those of a domain, whose mail only may use the session where no
  // name of the host itself is in the certificate. Empty: there are no such names.
  std::string domain;
  size_t host_names = 0;  // those of session.names before them
  tls::ClientSettings settings;
  tls::ClientSession session;
  std::shared_ptr<const tls::ClientContext> context;  // of `settings`; the caller gets it
  std::string problem;  // an option could not be expanded: the host is not to be used now
};

// Who is to be talked to.
struct TlsTarget {
  const std::string& host_name;
  const IpAddress& address;
  const DanePlan& dane;
  std::string openssl_options;
  WallTime now;
  SmtpUse use = SmtpUse::deliver;
  const std::string& initial_name;
  const std::vector<std::string>& domains;
  bool is_secure = false;  // `host_name` is, not only `initial_name`
};

class SmtpTlsRules {
 public:
  void compile(const SmtpOptions& options, const TransportCompileContext& context);
  // On a fiber: lists and expressions may have to wait.
  TlsPlan plan(const TlsTarget& target, acl::EvalContext& evaluation) const;

  std::shared_ptr<const acl::ListPattern> try_dane;
  std::shared_ptr<const acl::ListPattern> require_dane;

 private:
  using List = std::shared_ptr<const acl::ListPattern>;
  void expand(TlsPlan& plan, const DanePlan& dane, acl::EvalContext& evaluation) const;
  void decide_verification(TlsPlan& plan, const TlsTarget& target,
                           acl::EvalContext& evaluation) const;
  void decide_ocsp(TlsPlan& plan, const TlsTarget& target, acl::EvalContext& evaluation) const;

  acl::Expansion alpn_, certificate_, crl_, dane_ciphers_, private_key_, ciphers_, sni_,
      authorities_;
  List avoid_tls_, verify_avoid_tls_, require_alpn_, require_tls_, request_ocsp_, require_ocsp_,
      resumption_, try_verify_, verify_names_, verify_;
  bool has_usual_ocsp_list_ = true;  // hosts_request_ocsp is left as "*"
  bool has_dane_ciphers_ = false;
  bool tries_clear_ = true;
  bool on_connect_ = false;
};

}  // namespace godwit::delivery
