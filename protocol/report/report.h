// Delivery status notifications as text: what is sent to the sender when recipients failed, wait
// for long, or (where RFC 3461 asks for it) were delivered or relayed. RFC 3464, 3461, 6522; the
// extra fields of EXIM.md 1.12. Pure: facts in, header section and body out, in wire format.
#pragma once

#include "core/base/time.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::report {

enum class ReportKind : uint8_t { failure, delay, success };

// RFC 3464 2.3.3.
enum class Action : uint8_t { failed, delayed, delivered, relayed, expanded };

struct ReportedRecipient {
  std::string address;     // as it was accepted
  bool is_hidden = false;  // an address that was generated from it, and is not to be shown
  std::string orcpt;       // RFC 3461 ORCPT as received, xtext; empty for none
  Action action = Action::failed;
  std::string status;       // "5.1.1"; empty: X.0.0 of the action, or what `reply` says
  std::string text;         // why, for the reader; as on the log line
  std::string reply;        // "550 5.1.1 no such user": Diagnostic-Code; "\n" in it parts lines
  std::string remote_name;  // host name of the remote MTA; empty where there was none
  std::string remote_ip;    // "[192.0.2.1]", or "[192.0.2.1]:2525" where the port is not 25
  std::string greeting;     // its banner
  std::string helo_reply;   // first line of its EHLO or HELO answer
  WallTime retry_until;     // delay reports; 0: unknown
};

struct ReportFacts {
  ReportKind kind = ReportKind::failure;
  std::string_view message_id;         // of the report, for its Message-Id header
  std::string_view message_id_text;    // message_id_header_text; empty for none
  std::string_view message_id_domain;  // empty: primary_hostname
  std::string_view from;           // dsn_from, expanded: "Mail Delivery System <Mailer-Daemon@x>"
  std::string_view reply_to;       // errors_reply_to; empty for none
  std::string_view to;             // the original sender
  std::string_view reporting_mta;  // smtp_active_hostname
  std::string_view primary_hostname;
  std::string_view original_id;       // spool id of the message that is reported on
  std::string_view original_envid;    // xtext as received; empty for none
  std::string_view original_headers;  // header section in wire format
  std::string_view original_body;     // what may be returned of the body; already cut to the limit
  std::string_view custom_text;       // bounce_message_text; empty for none
  std::string_view own_headers;       // header lines instead of Subject; empty: ours
  std::string_view own_introduction;  // instead of what stands before the recipients
  std::string_view own_ending;        // instead of what follows on them, in a delay report
  bool returns_message = true;        // the third part: header section, with or without body
  bool returns_body = false;          // message/rfc822 instead of text/rfc822-headers
  bool body_was_cut = false;          // the body was larger than bounce_return_size_limit
  bool smtputf8 = false;
  uint64_t original_bytes = 0;
  WallTime original_received;
  WallTime now;
  bool utc = false;
  std::vector<ReportedRecipient> recipients;
};

struct ReportText {
  std::string headers;  // header section, every line with CRLF, without the empty line
  std::string body;
  std::string message_id;  // of the field in it, without brackets
};

ReportText make_report(const ReportFacts& facts);

// "2 hours", or "1 minute" where it is less than two hours.
std::string delay_text(Millis delay);

}  // namespace godwit::report
