#include "daemon/sender_claims.h"

#include "core/base/ascii.h"
#include "protocol/message/message_id.h"

namespace godwit::daemon {
namespace {

Result<std::optional<Endpoint>> claimed_endpoint(const std::string& text) {
  if (text.empty()) return std::optional<Endpoint>();
  const std::optional<Endpoint> endpoint = parse_host(text, 0);
  if (endpoint) return endpoint;
  return Error(Errc::invalid_argument, "\"" + escape_control(text) + "\" is not an IP address");
}

}  // namespace

std::optional<Endpoint> parse_host(std::string_view text, uint16_t port) {
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const Result<IpAddress> address = IpAddress::parse(text.substr(1, close - 1));
    const std::string_view rest = text.substr(close + 1);
    if (!address || (!rest.empty() && !rest.starts_with(':'))) return std::nullopt;
    if (rest.empty()) return Endpoint{*address, port};
    const std::optional<uint64_t> given = parse_decimal(rest.substr(1));
    if (!given || *given > 65535) return std::nullopt;
    return Endpoint{*address, static_cast<uint16_t>(*given)};
  }
  if (const Result<IpAddress> whole = IpAddress::parse(text)) return Endpoint{*whole, port};
  const size_t dot = text.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const Result<IpAddress> address = IpAddress::parse(text.substr(0, dot));
  const std::optional<uint64_t> given = parse_decimal(text.substr(dot + 1));
  if (!address || !given || *given > 65535) return std::nullopt;
  return Endpoint{*address, static_cast<uint16_t>(*given)};
}

Result<SenderClaims> claims_of(const CommandLine& line, const Submitter& who) {
  SenderClaims claims;
  claims.names.ident = who.login;
  if (!who.is_trusted) return claims;
  const Result<std::optional<Endpoint>> peer = claimed_endpoint(line.sender_host);
  if (!peer) return peer.error();
  const Result<std::optional<Endpoint>> local = claimed_endpoint(line.interface);
  if (!local) return local.error();
  if (!line.reported_message.empty() && !message::MessageId::parse(line.reported_message))
    return Error(Errc::invalid_argument, "-oMm needs the id of a message");
  claims.peer = *peer;
  claims.local = *local;
  if (claims.peer) claims.names.host_name = line.sender_host_name;
  if (!line.sender_ident.empty()) claims.names.ident = line.sender_ident;
  // A dialogue says itself what it is.
  if (line.mode != Mode::smtp) claims.names.protocol = line.received_protocol;
  claims.names.authenticator = line.authenticator;
  claims.names.auth_id = line.authenticated_id;
  claims.names.auth_sender = line.authenticated_sender;
  claims.names.reference = line.reported_message;
  return claims;
}

std::string authentication_field(const ClaimedOrigin& names) {
  if (names.authenticator.empty()) return {};
  const std::string id = names.auth_id.empty() ? "" : ":" + names.auth_id;
  return " A=" + escape_control(names.authenticator + id);
}

}  // namespace godwit::daemon
