#include "protocol/message/fixups.h"

#include "core/base/ascii.h"
#include "protocol/message/address_syntax.h"

#include <span>

namespace godwit::message {
namespace {

constexpr std::string_view kFold = "\r\n\t";
constexpr std::string_view kLineEnd = "\r\n";

void append_all(std::string& out, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) out.append(part);
}

// Text from the network must not start a header line of its own.
void append_clean(std::string& out, std::string_view text) {
  const size_t start = out.size();
  out += text;
  for (char& c : std::span(out).subspan(start)) c = c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
}

void append_origin(std::string& out, const ReceivedFacts& facts) {
  if (!facts.rcvhost.empty()) {
    out.append("from ");
    append_clean(out, facts.rcvhost);
    out.append(kFold);
    return;
  }
  if (!facts.ident.empty()) {
    out.append("from ");
    append_clean(out, quote_local_part(facts.ident));
    out.push_back(' ');
  }
  if (!facts.helo_name.empty()) {
    out.append("(helo=");
    append_clean(out, facts.helo_name);
    append_all(out, {")", kFold});
  }
}

// A helo name is shown where it says something that name and address do not.
bool shows_helo(const RemoteHostFacts& facts) {
  if (facts.helo.empty() || equals_ignore_case(facts.helo, facts.name)) return false;
  const bool literal = facts.helo.size() > 2 && facts.helo.front() == '[';
  return !literal || facts.helo.substr(1, facts.helo.size() - 2) != facts.ip;
}

void append_item(std::string& out, std::string_view name, std::string_view value, bool& first) {
  if (!first) out.push_back(' ');
  first = false;
  append_all(out, {name, value});
}

}  // namespace

std::string received_field(const ReceivedFacts& facts) {
  std::string out = "Received: ";
  out.reserve(320);
  append_origin(out, facts);
  append_all(out, {"by ", facts.host, " "});
  if (!facts.protocol.empty()) append_all(out, {"with ", facts.protocol, " "});
  if (!facts.tls_version.empty()) append_all(out, {" (", facts.tls_version, ")"});
  if (!facts.tls_cipher.empty()) append_all(out, {" tls ", facts.tls_cipher, kFold});
  append_all(out, {"(", facts.program, " ", facts.version, ")", kFold});
  if (!facts.sender.empty()) {
    out.append("(envelope-from <");
    append_clean(out, facts.sender);
    append_all(out, {">)", kFold});
  }
  append_all(out, {"id ", facts.id});
  if (!facts.received_for.empty()) {
    append_all(out, {kFold, "for "});
    append_clean(out, facts.received_for);
  }
  append_all(out, {";", kFold, format_rfc5322_time(facts.date, facts.utc), kLineEnd});
  return out;
}

std::string sender_rcvhost(const RemoteHostFacts& facts) {
  std::string port;
  if (facts.port != 0) append_decimal(port, facts.port);
  const bool helo = shows_helo(facts);
  std::string out;
  bool first = true;
  if (facts.name.empty()) {
    append_all(out, {"[", facts.ip, "]"});
    if (!helo && facts.ident.empty() && port.empty()) return out;
    out.append(" (");
    if (!port.empty()) append_item(out, "port=", port, first);
  } else {
    append_all(out, {facts.name, " ([", facts.ip, "]"});
    if (!port.empty()) append_all(out, {":", port});
    first = false;
  }
  if (helo) append_item(out, "helo=", facts.helo, first);
  if (!facts.ident.empty()) append_item(out, "ident=", facts.ident, first);
  out.push_back(')');
  return out;
}

std::string message_id_field(const MessageId& id, std::string_view host, std::string_view text,
                             bool resent) {
  std::string out;
  append_all(out, {resent ? "Resent-" : "", "Message-Id: <E", id.text(), text.empty() ? "" : "."});
  append_clean(out, text);
  append_all(out, {"@", host, ">", kLineEnd});
  return out;
}

std::string date_field(WallTime at, bool utc, bool resent) {
  std::string out = resent ? "Resent-Date: " : "Date: ";
  append_all(out, {format_rfc5322_time(at, utc), kLineEnd});
  return out;
}

std::string return_path_field(std::string_view sender) {
  std::string out = "Return-path: <";
  append_clean(out, sender);
  append_all(out, {">", kLineEnd});
  return out;
}

std::string envelope_to_field(std::string_view recipients) {
  std::string out = "Envelope-to: ";
  append_clean(out, recipients);
  out.append(kLineEnd);
  return out;
}

std::string delivery_date_field(WallTime at, bool utc) {
  std::string out = "Delivery-date: ";
  append_all(out, {format_rfc5322_time(at, utc), kLineEnd});
  return out;
}

MissingFields missing_fields(const HeaderScanner& headers, Origin origin) noexcept {
  if (origin == Origin::relayed) return {};
  if (headers.has_resent()) {
    return {.date = !headers.has(FieldKind::resent_date),
            .message_id = !headers.has(FieldKind::resent_message_id),
            .from = !headers.has(FieldKind::resent_from)};
  }
  return {.date = !headers.has(FieldKind::date),
          .message_id = !headers.has(FieldKind::message_id),
          .from = !headers.has(FieldKind::from)};
}

}  // namespace godwit::message
