// What became of one recipient in one delivery attempt: enough for the log line, the retry rules,
// the delivery status notification, and nothing else. A value type.
#pragma once

#include "acl/expand/context.h"
#include "core/base/ip_address.h"
#include "core/base/time.h"
#include "core/io/fast_open.h"
#include "delivery/retry/retry.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace godwit::delivery {

// What is known of the remote host of an attempt; shared by the recipients of a transaction.
struct RemoteInfo {
  std::string host_name;
  Endpoint endpoint;
  std::string greeting;  // first line of the banner, with its code
  std::optional<Endpoint> proxy;
  std::optional<Endpoint> local;  // where the connection comes from, once there is one
  bool secure = false;            // DNSSEC vouches for the address
  std::string helo_reply;         // first line of the EHLO or HELO answer, with its code
  acl::TlsFacts tls;              // no cipher: in clear
  bool is_mx = false;
  FastOpen fast_open = FastOpen::no;
  bool does_dsn = false;  // offered DSN: reports on success are its affair
};

enum class OutcomeKind : uint8_t { delivered, deferred, failed };

// What a failure is about: it decides the retry key (EXIM.md 2.8).
enum class FailureScope : uint8_t {
  none,       // delivered, or nothing to remember
  host,       // T:host:ip
  message,    // T:host:ip:message
  recipient,  // R:address
  local,      // R:address of a local transport: T: would be the same for all of its kind
};

// Numbers that Exim's log shows in "defer (N)"; errno values are used as they are.
enum ErrorNumber : int {
  kErrorUnknown = -1,
  kErrorNone = 0,
  kErrorConnectionLost = -18,
  kErrorSmtpFormat = -19,
  kErrorFilter = -24,
  kErrorHeaders = -25,
  kErrorExpansion = -27,
  kErrorHostLookup = -32,
  kErrorTlsFailure = -37,
  kErrorTlsRequired = -38,
  kErrorRcpt4xx = -44,
  kErrorMail4xx = -45,
  kErrorData4xx = -46,
  kErrorHostIsLocal = -50,
  kErrorRoutingRetry = -52,     // the retry time of the address has not come
  kErrorLocalRetry = -53,       // that of its local delivery
  kErrorRetryNotReached = -54,  // that of any host
  kErrorConcurrency = -57,
  kErrorEvent = -58,
};

// True where nothing was tried: hints say that it is too early.
inline bool is_retry_not_reached(int error_number) noexcept {
  return error_number <= kErrorRoutingRetry && error_number >= kErrorRetryNotReached;
}

struct DeliveryOutcome {
  OutcomeKind kind = OutcomeKind::deferred;
  FailureScope scope = FailureScope::none;
  retry::Failure failure;
  int error_number = 0;
  bool in_doubt = false;    // lost after the final dot: it may have been delivered
  bool unanswered = false;  // the server left before it took MAIL: on a reused connection, go on
  bool unreached = false;   // there was no connection: text is the system's error
  bool pipelined = false;   // L on the log line
  bool early = false;       // L*: with the connection, before the host had spoken
  bool refused_session = false;  // 5yz to greeting or HELO: the last of the hosts fails the address
  bool belief_wrong = false;     // early pipelining failed: without it the host may do well
  bool chunked = false;          // K
  bool prdr = false;             // PRDR
  bool freezes = false;          // the message is to be frozen
  bool is_put_back = false;      // nobody tried: another process will, and nothing is told
  bool retry_expired = false;    // the retry rules have come to their end: give up
  WallTime next_try;             // deferred: when the rules allow the next attempt; 0 where unknown
  WallTime expires;              // deferred: when the message is too old to wait longer; 0: unknown
  WallTime retry_until;          // deferred: the last attempt comes about then; 0: unknown
  std::string text;              // why, as the log line and the report say it
  std::string confirmation;      // the remote host's last answer, for C="..."
  std::string status;            // RFC 3463, where it is known and no reply says it
  std::string reply;             // the SMTP reply that decided a failure; empty for none
  std::string steps;             // PS: the commands that were sent, a letter each
  std::string host_key;          // of scope message: what hints about the host are kept under
  std::string file;              // appendfile: what was written to
  std::string output;            // of a command: goes into the report of a failure
  std::string output_line;       // its first line, where it is to be logged
  std::string transport;         // who delivered; empty: the one that the router named
  std::string shadow;            // of the shadow transport: its name, and why it did not succeed
  std::shared_ptr<const RemoteInfo> remote;
};

}  // namespace godwit::delivery
