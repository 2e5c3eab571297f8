// Text of the header fields that the program itself adds: Received, Message-ID, Date, and the
// delivery-time Return-path, Envelope-to, Delivery-date. Lines end in CRLF (wire format).
// Rule (RFC 6409 8, RFC 5321 6.4): Message-ID, Date, From and Sender are added only to messages of
// local or submission origin; a relayed message gets a Received and is otherwise left alone.
#pragma once

#include "core/base/time.h"
#include "protocol/message/header_scan.h"
#include "protocol/message/message_id.h"

#include <string>
#include <string_view>

namespace godwit::message {

// What Exim's default received_header_text prints. Empty fields leave their clause out.
struct ReceivedFacts {
  std::string_view rcvhost;       // $sender_rcvhost; empty for local mail
  std::string_view ident;         // $sender_ident; shown where there is no rcvhost
  std::string_view helo_name;     // $sender_helo_name; shown where there is no rcvhost
  std::string_view host;          // $primary_hostname
  std::string_view protocol;      // $received_protocol
  std::string_view tls_version;   // $tls_in_ver, "TLS1.3"
  std::string_view tls_cipher;    // $tls_in_cipher_std
  std::string_view program;       // "Godwit"
  std::string_view version;       // "0.1.0"
  std::string_view sender;        // $sender_address; empty for a bounce, which has no clause
  std::string_view id;            // message id
  std::string_view received_for;  // only where the message has exactly one recipient
  WallTime date;
  bool utc = false;
};
// "Received: from ...;\r\n\tdate\r\n", folded with CRLF and tab where Exim folds.
std::string received_field(const ReceivedFacts& facts);

// $sender_rcvhost: how a remote host is described: "name ([192.0.2.1] helo=x)", "[192.0.2.1]
// (helo=x)".
struct RemoteHostFacts {
  std::string_view name;   // looked-up name, may be empty
  std::string_view ip;     // text of the address
  std::string_view helo;   // as given; empty for none
  std::string_view ident;  // RFC 1413 answer; empty for none
  uint16_t port = 0;       // 0: not shown
};
std::string sender_rcvhost(const RemoteHostFacts& facts);

// "E{id}@{host}"; `text` (message_id_header_text) goes before the "@" after a dot.
std::string message_id_value(std::string_view id, std::string_view host, std::string_view text);
// "Message-Id: <...>\r\n" with that value.
std::string message_id_field(const MessageId& id, std::string_view host, std::string_view text,
                             bool resent);
// "Date: ...\r\n"
std::string date_field(WallTime at, bool utc, bool resent);
std::string return_path_field(std::string_view sender);
std::string envelope_to_field(std::string_view recipients);
std::string delivery_date_field(WallTime at, bool utc);

enum class Origin : uint8_t { relayed, local, submission };
struct MissingFields {
  bool date = false;
  bool message_id = false;
  bool from = false;
};
// Which fields to add. For a Resent- message the Resent- set is what is looked at.
MissingFields missing_fields(const HeaderScanner& headers, Origin origin) noexcept;

}  // namespace godwit::message
