// What conditions of ACLs found out and variables show: rates, DNS lists, verification. Lives in
// the context of a connection; the session forgets what belongs to a message or a command.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace godwit::acl {

// Whether a client may greet with its name (acl/policy/client_authorization.h).
enum class Authorized : uint8_t {
  unknown,  // nobody says anything
  yes,
  no_records,     // they could not be asked for
  no_target,      // the addresses of the authorized host could not be asked for
  must_be_named,  // a domain above wants names below it to have records, and this one has none
  forbidden,
  without_address,
  other_address,
};

struct Findings {
  std::optional<std::string> queue_name;  // of `queue =`, before the session knows of it
  std::string sender_rate;                // "12.5"
  std::string sender_rate_limit;
  std::string sender_rate_period;

  std::string dnslist_domain;
  std::string dnslist_matched;
  std::string dnslist_text;
  std::string dnslist_value;

  std::string csa_status;  // of `verify = csa`: ok, fail, unknown, defer
  std::map<std::string, Authorized, std::less<>> authorized;  // by domain

  std::string sender_verify_failure;  // qualify, route, mail, recipient, postmaster
  std::string recipient_verify_failure;

  std::string callout_address;  // "[192.0.2.1]:25": where the last callout went

  std::string sender_address_data;  // what verification left in $address_data
  std::string address_data;         // the same of the recipient

  // `verify = sender`: answers of this message by address and options.
  struct Verified {
    bool ok = false;
    bool deferred = false;
    bool is_callout = false;
    std::string user_message;
    std::string log_message;
    std::string failure_kind;
    std::string address_data;
  };
  std::map<std::string, Verified, std::less<>> verified_senders;

  // Rates that were counted for this connection, message and command: another condition with the
  // same key sees them and does not count again.
  using Rates = std::map<std::string, double, std::less<>>;
  Rates connection_rates;
  Rates message_rates;
  Rates command_rates;
};

}  // namespace godwit::acl
