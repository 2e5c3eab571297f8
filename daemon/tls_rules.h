// TlsRules: the tls_* options of the main section, looked up once, and what they say of one client.
#pragma once

#include "acl/policy/policy.h"
#include "tls/engine.h"
#include "tls/settings.h"

#include <string>

namespace godwit::daemon {

// What a session needs to begin TLS; `problem` where an option could not be expanded.
struct TlsAnswer {
  tls::ServerSettings settings;
  tls::ServerSession session;
  bool requires_alpn = false;
  std::string problem;
};

class TlsRules {
 public:
  // `policy` outlives the rules.
  explicit TlsRules(const acl::CompiledPolicy& policy);

  // On a fiber: lists and expressions may have to wait. $tls_in_sni is in the context's connection.
  TlsAnswer ask(const acl::ListSubject& client, acl::EvalContext& context) const;
  // tls_early_banner_hosts.
  bool greets_early(const acl::ListSubject& client, acl::EvalContext& context) const;
  bool advertises(const acl::ListSubject& client, acl::EvalContext& context) const;

 private:
  const acl::CompiledPolicy& policy_;
  bool depends_on_name_;  // tls_certificate speaks of $tls_in_sni: other files for other names
};

}  // namespace godwit::daemon
