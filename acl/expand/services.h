// What evaluators may ask of the world, as pointers that the daemon fills once a worker. Null: not
// there (a compile-time check, a unit test); who needs it fails with a clear message. Whatever
// waits does so on the current fiber (core/io/fiber.h), so that evaluators stay plain functions.
#pragma once

#include "core/base/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit {
class Log;
class Loop;
}  // namespace godwit
namespace godwit::hints {
class Database;
}
namespace godwit::dns {
class HostsFile;
class Resolver;
}  // namespace godwit::dns

namespace godwit::acl {

class ListCompiler;
class ListDecisions;
class RateStore;
class Lookups;
class SocketAnswers;
struct EvalContext;

// Runs a named ACL for `${acl` and the condition `acl`; acl/policy implements it.
class AclCaller {
 public:
  enum class Verdict : uint8_t { accept, deny, defer, error };
  virtual ~AclCaller() = default;
  // `message` gets the user message of the ACL, or why it could not run. $acl_arg1... are set.
  virtual Verdict call_acl(std::string_view name, std::vector<std::string> args,
                           EvalContext& context, std::string& message) const = 0;
};

// Options of a callout: asking the hosts of an address whether they would take it.
struct CalloutOptions {
  Seconds timeout{30};             // of one command
  std::optional<Seconds> connect;  // unset: as `timeout`
  std::optional<Seconds> maxwait;  // for all hosts together; unset: four times `timeout`
  bool defer_ok = false;           // what could not be asked counts as yes
  bool no_cache = false;
  bool random = false;                  // first a local part that cannot exist
  bool postmaster = false;              // and postmaster@ of the domain
  bool full_postmaster = false;         // or plain <postmaster>
  bool use_sender = false;              // of a recipient: MAIL FROM the message's sender
  bool use_postmaster = false;          // of a recipient: MAIL FROM postmaster@qualify_domain
  bool hold = false;                    // accepted for compatibility; a connection is never held
  std::optional<std::string> mailfrom;  // of a sender in a header line
  std::optional<std::string> postmaster_mailfrom;  // for the postmaster check
};

// verify = recipient/quota: how long an answer is believed.
struct QuotaOptions {
  Seconds positive{300};   // there is room
  Seconds negative{3600};  // there is none
};

// `verify = sender` and `verify = recipient`: would this address be routed, and does its host take
// it? The daemon implements it over the routers. Waits on the current fiber.
class AddressVerifier {
 public:
  enum class Verdict : uint8_t { ok, failed, deferred };
  struct Question {
    std::string address;
    bool is_sender = false;
    bool success_on_redirect = false;
    std::optional<CalloutOptions> callout;
    std::optional<QuotaOptions> quota;  // of a recipient: instead of a callout
  };
  struct Answer {
    Verdict verdict = Verdict::deferred;
    std::string user_message;  // for the client; empty: nothing that it should know
    std::string log_message;   // empty: the user message
    // $sender_verify_failure and its kin: qualify, route, mail, recipient, postmaster, quota.
    std::string failure_kind;
    std::string address_data;  // what a router left in $address_data
    bool is_callout = false;   // it was routed; the answer is of its hosts
  };
  virtual ~AddressVerifier() = default;
  virtual Answer verify(const Question& question, EvalContext& context) = 0;
};

struct Services {
  Loop* loop = nullptr;
  Lookups* lookups = nullptr;
  dns::Resolver* resolver = nullptr;
  const dns::HostsFile* hosts_file = nullptr;
  const AclCaller* acls = nullptr;
  Log* log = nullptr;                 // of `logwrite` in an ACL that a string calls outside any ACL
  hints::Database* rates = nullptr;   // of ratelimit
  RateStore* shared_rates = nullptr;  // of ratelimit where machines share them; null: `rates`
  hints::Database* seen = nullptr;    // of seen
  const ListCompiler* lists = nullptr;  // for what is compiled at run time: ${expand, ${listnamed
  ListDecisions* decisions = nullptr;   // what named lists said about this message
  SocketAnswers* sockets = nullptr;     // what ${readsocket keeps for this message
  AddressVerifier* verifier = nullptr;  // of `verify = sender` and `verify = recipient`
};

}  // namespace godwit::acl
