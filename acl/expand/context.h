// What an evaluation may see: facts of the server, the connection, the message and the address in
// question, passed in and never global, and the state that moves while a string is expanded.
// Used by every evaluator of floor 5 and by its callers, who own the facts. A context lives for one
// evaluation or one ACL; facts outlive it. A missing group of facts makes its variables empty.
#pragma once

#include "acl/expand/captures.h"
#include "acl/expand/findings.h"
#include "core/base/ip_address.h"
#include "core/base/time.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

// Bounds of one evaluation.
inline constexpr int kEvaluationDepthMax = 100;               // nested nodes, lists and ACLs
inline constexpr size_t kExpansionBytesMax = 4u << 20;        // result of one expansion
inline constexpr size_t kCompileDepthMax = 100;               // nested braces
inline constexpr size_t kExpansionSourceBytesMax = 1u << 20;  // text of one expansion

struct ServerFacts {
  std::string primary_hostname;
  std::string qualify_domain;
  std::string qualify_recipient;
  std::string smtp_active_hostname;  // expanded for the connection; empty: primary_hostname
  std::string spool_directory;
  std::string config_file;
  std::string version_number;
  std::string exim_path;
  std::vector<IpAddress> local_addresses;  // for @[]; loopback is always local
  int64_t pid = 0;
  int64_t uid = 0;
  int64_t gid = 0;
  bool strict_acl_vars = false;
  bool check_rfc2047_length = true;       // encoded words over 75 bytes are left as they are
  std::string headers_charset = "UTF-8";  // what $h_... is converted to
  std::string log_directory;
  bool return_error_details = false;  // smtp_return_error_details
  std::string localhost_number;
  std::string host_lookup_order;  // "bydns:byaddr"
  size_t csa_parents_max = 5;     // dns_csa_search_limit
  bool csa_of_addresses = true;   // dns_csa_use_reverse
  std::string initial_directory;
  int64_t bounce_return_size_limit = 100 * 1024;
  int64_t caller_uid = 0;  // who called the program, or sent a local message
  int64_t caller_gid = 0;
};

struct TlsFacts {
  std::string cipher;      // "TLS1.3:TLS_AES_256_GCM_SHA384:256"; empty: no TLS
  std::string cipher_std;  // IANA's name
  std::string version;     // "TLS1.3"
  std::string peer_dn;
  std::string sni;
  int64_t bits = 0;
  int64_t ocsp = 0;
  int64_t resumption = 0;
  int64_t tlsa_usage = 0;        // outgoing: bit n where a TLSA record of usage n was found
  std::string peer_certificate;  // PEM
  std::string our_certificate;   // PEM
  bool certificate_verified = false;
  bool dane = false;  // outgoing: verified by TLSA records
};

struct ConnectionFacts {
  std::string connection_id;                     // no two of this host's are equal
  std::optional<Endpoint> sender_host;           // none: a local message
  std::string sender_host_name;                  // verified reverse name; empty where none is known
  std::vector<std::string> sender_host_aliases;  // its other names that lead back
  bool host_lookup_failed = false;               // asked, and there is none
  bool host_lookup_deferred = false;             // asked, and could not be answered
  std::optional<bool> sender_host_dnssec;        // of the look-up; unset: not asked
  bool unqualified_sender = false;               // the client may leave the domain of senders out
  bool unqualified_recipient = false;            // and of recipients
  bool helo_verified = false;
  bool helo_secure = false;  // and DNSSEC vouched for what it was verified with
  bool helo_verify_failed = false;
  std::string sender_helo_name;
  std::string sender_ident;
  std::optional<Endpoint> interface;
  std::string received_protocol;          // "esmtps"
  std::string sender_host_authenticated;  // name of the authenticator; empty: not authenticated
  std::string authenticated_id;
  std::string authenticated_sender;
  std::string smtp_command;  // the whole line of the command under way
  std::string smtp_notquit_reason;
  TlsFacts tls_in;
  int64_t connections_at_start = 0;
};

struct MessageFacts {
  std::string id;
  std::string sender_address;  // empty: a bounce message, or no MAIL yet
  std::vector<std::string> recipients;
  std::string headers;     // raw, with line feeds; empty before the message has arrived
  std::string body_start;  // $message_body, at most message_body_visible bytes
  std::string body_end;    // $message_body_end; empty: the same as body_start
  int64_t body_bytes = 0;
  bool first_delivery = false;  // no delivery was tried before
  bool queue_running = false;   // the delivery under way is of a queue run
  int64_t size = -1;            // bytes; before arrival the SIZE of MAIL; -1: not known
  int64_t body_lines = 0;
  int64_t body_zeros = 0;
  int64_t lines = 0;
  int64_t longest_line = 0;
  int64_t rcpt_count = 0;
  int64_t rcpt_fail_count = 0;
  int64_t rcpt_defer_count = 0;
  WallTime received_at;
  bool smtputf8 = false;
  bool prdr_requested = false;
  std::string queue_name;  // of a named queue; empty: the default one
};

// The value of a variable that an ACL set, and whether it came from outside (see EvalContext).
struct AclValue {
  std::string text;
  bool tainted = false;

  AclValue() = default;
  AclValue(std::string value, bool is_tainted = false)
      : text(std::move(value)), tainted(is_tainted) {}
  AclValue(const char* value) : text(value) {}
  operator const std::string&() const noexcept { return text; }
  friend bool operator==(const AclValue& a, std::string_view b) { return a.text == b; }
};

// The address that is verified, routed or delivered, or the recipient of RCPT.
struct AddressFacts {
  std::string local_part;           // without quotes; lower case where lists want it
  std::string domain;               // lower case
  std::string original_local_part;  // as it came, with its quotes
  std::string original_domain;
  std::string address_data;
  std::string home;
  std::string router_name;
  std::string transport_name;
  std::string host;
  std::string host_address;
  int64_t host_port = 0;
  std::optional<Endpoint> sending;  // the local end of the connection to the host
  std::string local_part_prefix;    // what was taken off
  std::string local_part_prefix_v;  // the part that matched a wildcard
  std::string local_part_suffix;
  std::string local_part_suffix_v;
  std::string parent_local_part;  // of the address that this one was generated from
  std::string parent_domain;
  std::string self_hostname;  // the host of self = pass
  std::string file;           // $address_file: the path of a redirection to a file
  std::string pipe;           // $address_pipe: the command of a redirection to a pipe
  uint64_t inode = 0;         // $inode: of the file that a delivery has just written
  std::string mailstore_basename;
  int64_t user_id = -1;  // of check_local_user
  int64_t group_id = -1;
  std::map<std::string, AclValue, std::less<>> variables;  // $r_...
};

// What an event action is evaluated for.
struct EventFacts {
  std::string name;  // "msg:delivery"; empty: none
  std::string data;
  int64_t defer_errno = 0;
};

// What the text of a bounce or a delay warning is made for.
struct ReportTextFacts {
  std::string bounce_recipient;
  std::string warn_delay;  // "4 hours"
  std::string warn_recipients;
};

// $acl_c* of a connection or $acl_m* of a message, by their full name ("acl_m0", "acl_c_seen").
using AclVariables = std::map<std::string, AclValue, std::less<>>;

struct Services;       // services.h
class Trace;           // trace.h
class ClientIdentity;  // client.h
class AclRun;          // acl/policy/run.h

struct EvalContext {
  const Services* services = nullptr;  // null: nothing can be asked
  Trace* trace = nullptr;              // null: nobody wants to see the steps
  AclRun* acl_run = nullptr;           // the ACL under way, for ${acl
  const ServerFacts* server = nullptr;
  const ConnectionFacts* connection = nullptr;
  ClientIdentity* client = nullptr;  // asks for the client's name when it is wanted
  const MessageFacts* message = nullptr;
  const AddressFacts* address = nullptr;
  const TlsFacts* tls_out = nullptr;        // of the connection that a delivery uses
  const EventFacts* event = nullptr;        // while an event action runs
  const ReportTextFacts* report = nullptr;  // while a report is written
  AclVariables* connection_variables = nullptr;
  AclVariables* message_variables = nullptr;
  WallTime now;
  bool utc = false;  // dates in UTC instead of local time

  // Whether the text that is being made has anything in it that came from outside: the network, a
  // message, a command line. Set by the variables that do; sinks (files, programs, ${expand) ask.
  bool tainted = false;

  // State that moves during evaluation.
  Captures captures;  // $0 $1 ...
  bool captures_tainted = false;
  bool value_tainted = false;
  bool item_tainted = false;
  bool acl_args_tainted = false;
  std::vector<std::string> acl_args;  // $acl_arg1 ...
  std::string acl_verify_message;
  std::string value;        // $value
  std::string_view item;    // $item: where it stands in its list
  std::string domain_data;  // what the last match of a list left
  std::string local_part_data;
  std::string host_data;
  std::string sender_data;
  std::string recipient_data;
  std::vector<std::string> headers_added;
  Findings findings;
  bool is_local_part_caseful = false;  // $local_part of a recipient as it came
  std::string verify_mode;             // $verify_mode: "S" or "R" while an address is verified
  int64_t runrc = 0;                   // $runrc
  std::string prvscheck_address;       // $prvscheck_...
  std::string prvscheck_keynum;
  std::string prvscheck_result;
  std::string srs_recipient;  // $srs_recipient
  std::string regex_match;    // $regex_match_string
  std::string error;          // why the evaluation failed or was deferred
  int depth = 0;
};

// Counts one level of nesting; `too_deep` tells the caller to fail. Keeps the context's depth.
class DepthGuard {
 public:
  explicit DepthGuard(EvalContext& context) : context_(context) { ++context_.depth; }
  ~DepthGuard() { --context_.depth; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;
  bool too_deep() const noexcept { return context_.depth > kEvaluationDepthMax; }

 private:
  EvalContext& context_;
};

}  // namespace godwit::acl
