// Submission mode (`control = submission`): what a mail program left out is added to a message that
// came over SMTP, and who sent it is what the client authenticated as. RFC 6409 8; EXIM.md 2.6.
// Pure: the header section in, the section and the envelope's sender out.
#pragma once

#include "core/base/time.h"
#include "protocol/message/message_id.h"

#include <optional>
#include <string>
#include <string_view>

namespace godwit::message {

struct SubmissionMode {
  bool sender_retain = false;         // Sender: and the envelope's sender stay as they are
  bool checks_from = true;            // local_from_check
  std::optional<std::string> domain;  // domain=; empty: authenticated_id is a whole address
  std::string name;                   // name=
  std::string authenticated_id;       // empty: not authenticated
  std::string sender;                 // of the envelope
  std::string qualify_domain;
  std::string message_id_domain;  // message_id_header_domain, or the name of the host
  std::string message_id_text;    // message_id_header_text
  MessageId id;
  WallTime now;
  bool utc = false;
};

struct SubmittedHeaders {
  std::string section;  // in wire format
  std::string sender;   // of the envelope
};

// `section` has CRLF line ends and no empty line.
SubmittedHeaders apply_submission_mode(std::string_view section, const SubmissionMode& mode);

}  // namespace godwit::message
