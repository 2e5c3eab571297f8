// What a client sends in one transaction and what became of it, and the state of one that is under
// way. Value types. Used by: ClientEngine, and whoever drives it.
#pragma once

#include "protocol/smtp/command.h"
#include "protocol/smtp/reply_parser.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::smtp {

// EXIM.md 2.8: what a failure is about, and so who tries again where.
enum class OutcomeClass : uint8_t {
  delivered,
  recipient_deferred,  // 4xx to RCPT, or what is no answer to it
  recipient_failed,    // 5xx to RCPT
  message_deferred,    // 4xx to MAIL, DATA or the end of data, or what is no answer to them
  message_failed,      // 5xx to the same, or the message does not fit what the server offers
  host_error,          // connection, greeting, EHLO, lost or timed out, nonsense: try another host
  host_failed,  // 5xx to the greeting or HELO: another host, and where there is none, the end
  in_doubt,     // lost after the final dot: the message may have been accepted
  not_tried,    // over the number of recipients that this server takes at a time
};

struct Outcome {
  OutcomeClass outcome = OutcomeClass::host_error;
  std::string command;       // what was answered, as Exim words it: "RCPT TO:<x>", "end of data"
  ServerReply reply;         // code 0 where there was none
  std::string problem;       // where there was no reply: "connection closed", "timed out", ...
  std::string status = {};   // RFC 3463, of what was judged here; else empty
  std::string overall = {};  // PRDR: the last reply, about the message, after that of the recipient
  std::string malformed = {};  // what came instead of a reply; escaped and cut
  // LMTP, PRDR: an answer about one recipient after the end of data.
  bool is_of_recipient = false;
  // The server left before it took MAIL, in order or with 421: nothing of the transaction was
  // taken. On a connection that has served before, another one may be tried at once.
  bool is_untouched = false;
};

struct ClientRecipient {
  std::string address;
  uint8_t notify = 0;         // NotifyBits
  std::string orcpt;          // "rfc822;" + xtext, as received
  bool ignore_quota = false;  // IGNOREQUOTA of LMTP, where it is offered
};

struct Transaction {
  std::string sender;  // without brackets
  std::vector<ClientRecipient> recipients;
  uint64_t body_bytes = 0;       // of the message in wire format; exact where BDAT is used
  uint64_t size_to_declare = 0;  // SIZE=; 0: body_bytes
  bool declares_size = true;
  BodyKind body = BodyKind::unspecified;
  DsnReturn ret = DsnReturn::unspecified;
  bool smtputf8 = false;
  bool use_bdat = false;  // where the server offers CHUNKING
  bool use_prdr = false;  // where the server offers PRDR and there is more than one recipient
  // Ask for the recipients only: no DATA follows, and who was accepted is `delivered`.
  bool is_probe = false;
  std::string envid;  // xtext, as received
  std::string auth;   // MAIL AUTH=, decoded; empty: none
};

// A transaction on its way. Several may be under way on one connection: all commands of the next go
// out before the answers to the one before have come, and RSET parts them.
struct ClientFlight {
  Transaction transaction;
  std::vector<Outcome> outcomes;
  std::vector<bool> settled;   // outcomes[n] is final
  std::vector<bool> accepted;  // RCPT n was accepted
  Outcome message_outcome;
  std::string mail_line;
  std::string steps;             // what was sent, a letter a command: "EMR2D."
  uint32_t rcpts_in_row = 0;     // since the last other step
  uint32_t awaited = 0;          // replies to its commands
  uint32_t recipients_seen = 0;  // sent, or passed over
  uint32_t recipients_good = 0;
  uint32_t last_tried = 0;  // the last recipient that is not left for another transaction
  bool pipelined = false;
  bool is_early = false;  // sent in the belief of what EHLO would say
  bool use_bdat = false;
  bool use_prdr = false;
  bool is_partial = false;  // some recipients are left for another one
  bool wants_rset = false;  // RSET goes before MAIL
  bool mail_sent = false;
  bool mail_answered = false;
  bool data_sent = false;        // DATA or BDAT
  bool body_gone = false;        // all of the body was sent: losing the line is "in doubt"
  bool lone_dot = false;         // an empty message was ended, because nobody would get it
  bool message_settled = false;  // message_outcome is known
  bool finished = false;
};

}  // namespace godwit::smtp
