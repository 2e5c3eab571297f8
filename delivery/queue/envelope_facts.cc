#include "delivery/queue/envelope_facts.h"

#include "core/base/ascii.h"

namespace godwit::delivery {
namespace {

// "[192.0.2.1]:25" of an envelope, or nothing for local mail.
std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const size_t close = text.find(']');
  if (!text.starts_with('[') || close == std::string_view::npos) return std::nullopt;
  const Result<IpAddress> address = IpAddress::parse(text.substr(1, close - 1));
  if (!address) return std::nullopt;
  const size_t colon = text.find(':', close);
  const std::optional<uint64_t> port =
      colon == std::string_view::npos ? std::nullopt : parse_decimal(text.substr(colon + 1));
  return Endpoint{*address, static_cast<uint16_t>(port.value_or(0))};
}

}  // namespace

void take_facts(const Envelope& envelope, const EnvelopeFacts& facts) {
  acl::MessageFacts& message = facts.message;
  message.id = envelope.message_id;
  message.sender_address = envelope.sender;
  message.size = static_cast<int64_t>(envelope.message_bytes);
  message.body_lines = static_cast<int64_t>(envelope.body_lines);
  message.body_zeros = static_cast<int64_t>(envelope.body_zeros);
  message.longest_line = static_cast<int64_t>(envelope.line_bytes_max);
  message.received_at = envelope.received;
  message.rcpt_count = static_cast<int64_t>(envelope.recipients.size());
  acl::ConnectionFacts& connection = facts.connection;
  connection.sender_host = parse_endpoint(envelope.host_address);
  connection.sender_host_name = envelope.host_name;
  connection.sender_helo_name = envelope.helo_name;
  connection.sender_ident = envelope.ident;
  connection.interface = parse_endpoint(envelope.interface_address);
  connection.received_protocol = envelope.protocol;
  connection.sender_host_authenticated = envelope.auth_name;
  connection.authenticated_id = envelope.auth_id;
  connection.authenticated_sender = envelope.auth_sender;
  for (const EnvelopeVariable& variable : envelope.variables) {
    acl::AclVariables& table =
        variable.name.starts_with("acl_c") ? facts.connection_variables : facts.message_variables;
    table.emplace(variable.name, acl::AclValue(variable.value, variable.tainted));
  }
}

}  // namespace godwit::delivery
