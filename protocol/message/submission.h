// What `sendmail` does to a message that a program hands over on its standard input: wire format,
// the recipients, the sender, and the fields that a mail client left out. RFC 6409 8, EXIM.md 4.1.
// Used by: daemon (the command line). Pure. Received: is added on acceptance, as for other mail.
// Errors: one sentence for the user at the terminal, naming the address or the limit; `malformed`
// for a bad recipient of the command line, `not_found` where there are no recipients.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "protocol/message/message_id.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::message {

struct SubmissionOptions {
  // The call.
  bool dot_ends = true;                  // a line of one dot ends the message; false for -i
  bool recipients_from_headers = false;  // -t
  bool removes_arguments = true;         // extract_addresses_remove_arguments; else they are added
  std::vector<std::string> arguments;    // the addresses of the command line
  std::optional<std::string> sender;     // -f; "<>" or empty: a bounce
  // Of a trusted caller without -f: what a From line names; "<>": a bounce, no address: nobody.
  std::optional<std::string> from_line_sender;

  // Who calls.
  std::string login;
  std::string full_name;                   // of -F, or the user's; empty for none
  bool is_trusted = false;                 // may be any sender, and needs no Sender:
  bool may_set_sender = false;             // untrusted_set_sender has the address of -f
  bool checks_from = true;                 // local_from_check
  bool retains_sender = false;             // local_sender_retain
  std::vector<std::string> from_prefixes;  // local_from_prefix
  std::vector<std::string> from_suffixes;  // local_from_suffix

  bool is_of_host = false;  // handed over in the name of a host (-oMa): nothing is added

  // The host.
  std::string qualify_domain;
  std::string qualify_recipient;  // empty: qualify_domain
  std::string message_id_domain;  // message_id_header_domain, or the name of the host
  std::string message_id_text;    // message_id_header_text
  MessageId id;
  WallTime now;
  bool utc = false;
  bool allows_utf8 = true;

  // Bounds in bytes; 0: none.
  uint64_t header_bytes_max = 1024 * 1024;
  uint64_t message_bytes_max = 0;
  uint32_t received_max = 30;
};

// An address of a header field that is none (-t); the others get the message all the same.
struct BadRecipient {
  std::string text;
  std::string why;
};

struct Submission {
  std::string headers;                  // header section in wire format
  std::string body;                     // in wire format
  std::vector<std::string> recipients;  // qualified, each once; none only where all were bad
  std::vector<BadRecipient> bad_recipients;
  std::string sender;            // envelope sender; empty for a bounce
  bool needs_smtputf8 = false;   // an address of the envelope is not ASCII
  bool made_message_id = false;  // Message-ID: was added
};

// The sender that `options` make: who is told of a submission that fails.
std::string submission_sender(const SubmissionOptions& options);

Result<Submission> prepare_submission(std::string_view input, const SubmissionOptions& options);

// The lines of `input` with CRLF, up to a line of one dot where `dot_ends`. CR, LF and CRLF end a
// line; the last line gets an end.
std::string wire_lines(std::string_view input, bool dot_ends);

}  // namespace godwit::message
