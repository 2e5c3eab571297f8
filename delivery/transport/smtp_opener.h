// SmtpOpener: what a connection with one address of one host begins with: what options, lists,
// expressions and DANE say of it. Used by destination queues and by callouts. RFC 7672;
// EXIM.md 2.8.
#pragma once

#include "core/base/random.h"
#include "core/config/main_options.h"
#include "core/io/loop.h"
#include "core/log/log.h"
#include "delivery/transport/smtp_connection.h"
#include "tls/context_cache.h"
#include "tls/session_cache.h"

#include <optional>
#include <string>
#include <vector>

namespace godwit::delivery {

// One address of a host, as a router found it.
struct SmtpHost {
  std::string name;
  std::string initial_name;  // before aliases; empty: the same
  Endpoint endpoint;
  bool is_secure = false;  // DNSSEC vouches for its address
  bool is_mx = false;
  bool is_secure_alias = false;  // RouteHost::secure_alias
  // Whose MX it is: TlsPlan::domain. Empty: the host was not found by MX or SRV records.
  std::vector<std::string> domains = {};
};

struct SmtpOpenerServices {
  Loop& loop;
  Log& log;
  Random& random;
  const acl::ServerFacts& server;
  const config::MainOptions& options;
  tls::ContextCache& tls;
  tls::SessionCache& tls_sessions;
  hints::Database* hints = nullptr;  // null: nothing is remembered of hosts
  DaneFinder* dane = nullptr;        // null: nobody asks for TLSA records
  const acl::Services* evaluators = nullptr;
};

struct PreparedOpening {
  SmtpOpening opening;
  std::optional<DeliveryOutcome> failure;  // not this host now
  std::string dane_failure;                // the data of dane:fail, where that is why
};

// The host is not to be used now.
DeliveryOutcome host_not_now(const SmtpHost& host, std::string why);

class SmtpOpener {
 public:
  // All outlives the opener.
  SmtpOpener(const SmtpOpenerServices& services, const SmtpTransport& transport)
      : services_(services), transport_(transport) {}

  // `host` and `message` outlive the task. `message`: with the message and this host in it; null
  // where there is none, or no option speaks of it.
  Task<PreparedOpening> prepare(const SmtpHost& host, SmtpUse use,
                                acl::EvalContext* message = nullptr) const;
  // The same host without TLS, where the plan allows it: says so in the log.
  SmtpOpening in_clear(SmtpOpening opening, const SmtpHost& host, const std::string& why) const;

 private:
  PreparedOpening ask(const SmtpHost& host, const DanePlan& dane, SmtpUse use,
                      acl::EvalContext* message) const;
  Task<DanePlan> ask_dane(const SmtpHost& host, acl::EvalContext* message) const;
  std::vector<SocksProxy> proxies_of(acl::EvalContext& evaluation, std::string& problem) const;

  SmtpOpenerServices services_;
  const SmtpTransport& transport_;
};

}  // namespace godwit::delivery
