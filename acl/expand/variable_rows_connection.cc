// Variables of the connection.
#include "acl/expand/variable_functions.h"
#include "acl/expand/variables.h"
#include "core/base/ascii.h"
#include "core/base/time.h"

#include <array>
#include <iterator>
#include <string>

namespace godwit::acl {
namespace {

constexpr int64_t kNoPort = -1;  // of an interface, for a local message

// "name [address]", "name (helo) [address]", "(helo) [address]" or "[address]".
void append_fullhost(const ConnectionFacts& facts, std::string& out) {
  if (!facts.sender_host) return;
  const std::string address = "[" + facts.sender_host->address.to_string() + "]";
  const bool show_helo = !facts.sender_helo_name.empty() &&
                         !equals_ignore_case(facts.sender_helo_name, facts.sender_host_name) &&
                         facts.sender_helo_name != address;
  if (!facts.sender_host_name.empty()) out += facts.sender_host_name + " ";
  if (show_helo) out += "(" + facts.sender_helo_name + ") ";
  out += address;
}

// The form of Received: headers: "name ([address] helo=name)" and its shorter ones.
void append_rcvhost(const ConnectionFacts& facts, std::string& out) {
  if (!facts.sender_host) return;
  const std::string address = "[" + facts.sender_host->address.to_string() + "]";
  const std::string& helo = facts.sender_helo_name;
  const bool show_helo =
      !helo.empty() && !equals_ignore_case(helo, facts.sender_host_name) && helo != address;
  std::string inside;
  if (!facts.sender_host_name.empty()) inside = address;
  if (show_helo) inside += (inside.empty() ? "helo=" : " helo=") + helo;
  if (!facts.sender_ident.empty())
    inside += (inside.empty() ? "ident=" : " ident=") + facts.sender_ident;
  out += facts.sender_host_name.empty() ? address : facts.sender_host_name;
  if (!inside.empty()) out += " (" + inside + ")";
}

std::string_view argument_of(std::string_view command) {
  const size_t blank = command.find(' ');
  return blank == std::string_view::npos ? std::string_view() : trim(command.substr(blank));
}

void interface_address(const ConnectionFacts& facts, std::string& out) {
  if (facts.interface) out += facts.interface->address.to_string();
}
void interface_port(const ConnectionFacts& facts, std::string& out) {
  append_value(facts.interface ? facts.interface->port : kNoPort, out);
}
void received_ip_address(const ConnectionFacts& facts, std::string& out) {
  if (facts.interface) out += facts.interface->address.to_string();
}
void received_port(const ConnectionFacts& facts, std::string& out) {
  append_value(facts.interface ? facts.interface->port : kNoPort, out);
}
void sender_fullhost(const ConnectionFacts& facts, std::string& out) {
  append_fullhost(facts, out);
}
void sender_host_address(const ConnectionFacts& facts, std::string& out) {
  if (facts.sender_host) out += facts.sender_host->address.to_string();
}
void sender_host_port(const ConnectionFacts& facts, std::string& out) {
  append_value(facts.sender_host ? facts.sender_host->port : 0, out);
}
void sender_rcvhost(const ConnectionFacts& facts, std::string& out) {
  append_rcvhost(facts, out);
}
void smtp_command_argument(const ConnectionFacts& facts, std::string& out) {
  out += argument_of(facts.smtp_command);
}
void tls_in_bits(const ConnectionFacts& facts, std::string& out) {
  append_value(facts.tls_in.bits, out);
}
void tls_in_certificate_verified(const ConnectionFacts& facts, std::string& out) {
  out += facts.tls_in.certificate_verified ? "1" : "0";
}
void tls_in_cipher(const ConnectionFacts& facts, std::string& out) {
  out += facts.tls_in.cipher;
}
void tls_in_cipher_std(const ConnectionFacts& facts, std::string& out) {
  out += facts.tls_in.cipher_std;
}
void tls_in_ocsp(const ConnectionFacts& facts, std::string& out) {
  append_value(facts.tls_in.ocsp, out);
}
void tls_in_peerdn(const ConnectionFacts& facts, std::string& out) {
  out += facts.tls_in.peer_dn;
}
void tls_in_sni(const ConnectionFacts& facts, std::string& out) {
  out += facts.tls_in.sni;
}
void tls_in_ver(const ConnectionFacts& facts, std::string& out) {
  out += facts.tls_in.version;
}

// name, function, documentation
constexpr auto kRows = std::to_array<VariableRow>({
    {"dnslist_domain", field<&Findings::dnslist_domain>, "list that matched"},
    {"dnslist_matched", field<&Findings::dnslist_matched>, "key that matched", Taint::outside},
    {"dnslist_text", field<&Findings::dnslist_text>, "TXT record of the entry", Taint::outside},
    {"dnslist_value", field<&Findings::dnslist_value>, "addresses of the entry", Taint::outside},
    {"recipient_verify_failure", field<&Findings::recipient_verify_failure>,
     "what failed: qualify, route, mail, recipient, postmaster"},
    {"sender_rate", field<&Findings::sender_rate>, "rate that ratelimit computed"},
    {"sender_rate_limit", field<&Findings::sender_rate_limit>, "limit of ratelimit"},
    {"sender_rate_period", field<&Findings::sender_rate_period>, "period of ratelimit"},
    {"sender_verify_failure", field<&Findings::sender_verify_failure>,
     "what failed: qualify, route, mail, recipient, postmaster"},
    {"authenticated_id", field<&ConnectionFacts::authenticated_id>,
     "identity that the authenticator gave", Taint::outside},
    {"authenticated_sender", field<&ConnectionFacts::authenticated_sender>,
     "AUTH parameter of MAIL", Taint::outside},
    {"interface_address", made<&interface_address>, "local address of the connection"},
    {"interface_port", made<&interface_port>, "local port of the connection"},
    {"received_ip_address", made<&received_ip_address>, "local address of the connection"},
    {"received_port", made<&received_port>, "local port of the connection"},
    {"received_protocol", field<&ConnectionFacts::received_protocol>, "\"esmtps\" and the like"},
    {"sender_fullhost", made<&sender_fullhost>, "name, HELO name and address of the client",
     Taint::outside},
    {"sender_helo_name", field<&ConnectionFacts::sender_helo_name>, "argument of HELO or EHLO",
     Taint::outside},
    {"sender_host_address", made<&sender_host_address>, "address of the client"},
    {"sender_host_authenticated", field<&ConnectionFacts::sender_host_authenticated>,
     "name of the authenticator that succeeded"},
    {"sender_host_name", field<&ConnectionFacts::sender_host_name>,
     "verified name of the client, where it was looked up", Taint::outside},
    {"sender_host_port", made<&sender_host_port>, "port of the client"},
    {"sender_ident", field<&ConnectionFacts::sender_ident>,
     "ident of the client, or login of a local sender", Taint::outside},
    {"sender_rcvhost", made<&sender_rcvhost>, "the client as Received: shows it", Taint::outside},
    {"smtp_command", field<&ConnectionFacts::smtp_command>, "the command that is being handled",
     Taint::outside},
    {"smtp_command_argument", made<&smtp_command_argument>, "its argument", Taint::outside},
    {"smtp_count_at_connection_start", field<&ConnectionFacts::connections_at_start>,
     "connections when this one began"},
    {"smtp_notquit_reason", field<&ConnectionFacts::smtp_notquit_reason>,
     "why a connection ended without QUIT"},
    {"tls_in_bits", made<&tls_in_bits>, "strength of the cipher"},
    {"tls_in_certificate_verified", made<&tls_in_certificate_verified>,
     "1 where the client certificate is good"},
    {"tls_in_cipher", made<&tls_in_cipher>, "cipher of the connection"},
    {"tls_in_cipher_std", made<&tls_in_cipher_std>, "cipher by its standard name"},
    {"tls_in_ocsp", made<&tls_in_ocsp>, "state of OCSP stapling"},
    {"tls_in_peerdn", made<&tls_in_peerdn>, "DN of the client certificate", Taint::outside},
    {"tls_in_sni", made<&tls_in_sni>, "SNI of the client", Taint::outside},
    {"tls_in_ver", made<&tls_in_ver>, "version of TLS"},
});

}  // namespace

std::span<const VariableRow> connection_variable_rows() noexcept {
  return kRows;
}

}  // namespace godwit::acl
