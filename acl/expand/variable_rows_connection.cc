// Variables of the connection.
#include "acl/expand/client.h"
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
// Asks for the name where nothing did before.
void sender_host_name(const EvalContext& context, std::string& out) {
  out += client_name(context);
}
void host_lookup_failed(const ConnectionFacts& facts, std::string& out) {
  out += facts.host_lookup_failed ? '1' : '0';
}
void host_lookup_deferred(const ConnectionFacts& facts, std::string& out) {
  out += facts.host_lookup_deferred ? '1' : '0';
}
void sender_helo_verified(const ConnectionFacts& facts, std::string& out) {
  if (facts.helo_verified) out += "yes";
}
void sender_helo_dnssec(const EvalContext& context, std::string& out) {
  out += context.connection != nullptr && context.connection->helo_secure ? "yes" : "no";
}
void sender_host_dnssec(const ConnectionFacts& facts, std::string& out) {
  out += facts.sender_host_dnssec.value_or(false) ? "yes" : "no";
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
// $tls_in_* and $tls_out_*: the same facts of the connection that mail comes by and goes by.
const TlsFacts* tls_of(const ConnectionFacts& facts) {
  return &facts.tls_in;
}
const TlsFacts* tls_of(const EvalContext& context) {
  return context.tls_out;
}
template <class Facts, auto member>
void tls_fact(const Facts& facts, std::string& out) {
  const TlsFacts* tls = tls_of(facts);
  static const TlsFacts kNone;
  append_value((tls != nullptr ? *tls : kNone).*member, out);
}
template <class Facts>
void tls_verified(const Facts& facts, std::string& out) {
  const TlsFacts* tls = tls_of(facts);
  out += tls != nullptr && tls->certificate_verified ? "1" : "0";
}
void tls_out_dane(const EvalContext& context, std::string& out) {
  out += context.tls_out != nullptr && context.tls_out->dane ? "yes" : "no";
}
template <auto member>
constexpr auto tls_in = made<&tls_fact<ConnectionFacts, member>>;
template <auto member>
constexpr auto tls_out = made<&tls_fact<EvalContext, member>>;

// name, function, documentation
constexpr auto kRows = std::to_array<VariableRow>({
    {"sender_rate", field<&Findings::sender_rate>, "rate that ratelimit computed"},
    {"sender_rate_limit", field<&Findings::sender_rate_limit>, "limit of ratelimit"},
    {"sender_rate_period", field<&Findings::sender_rate_period>, "period of ratelimit"},
    {"authenticated_id", field<&ConnectionFacts::authenticated_id>,
     "identity that the authenticator gave", Taint::outside},
    {"authenticated_sender", field<&ConnectionFacts::authenticated_sender>,
     "AUTH parameter of MAIL", Taint::outside},
    {"callout_address", field<&Findings::callout_address>, "where the last callout went"},
    {"csa_status", field<&Findings::csa_status>,
     "what verify = csa found: ok, fail, unknown, defer"},
    {"connection_id", field<&ConnectionFacts::connection_id>, "identifier of the connection"},
    {"dnslist_domain", field<&Findings::dnslist_domain>, "domain of the DNS list that matched"},
    {"dnslist_matched", field<&Findings::dnslist_matched>, "key that was found in it",
     Taint::outside},
    {"dnslist_text", field<&Findings::dnslist_text>, "its TXT record", Taint::outside},
    {"dnslist_value", field<&Findings::dnslist_value>, "its addresses", Taint::outside},
    {"host_lookup_deferred", made<&host_lookup_deferred>,
     "1 where the client's name could not be asked for"},
    {"host_lookup_failed", made<&host_lookup_failed>, "1 where the client has no verified name"},
    {"interface_address", made<&interface_address>, "local address of the connection"},
    {"interface_port", made<&interface_port>, "local port of the connection"},
    {"received_ip_address", made<&received_ip_address>, "local address of the connection"},
    {"received_port", made<&received_port>, "local port of the connection"},
    {"received_protocol", field<&ConnectionFacts::received_protocol>, "\"esmtps\" and the like"},
    {"recipient_verify_failure", field<&Findings::recipient_verify_failure>,
     "what failed of a recipient: qualify, route, mail, recipient, postmaster"},
    {"sender_address_data", field<&Findings::sender_address_data>,
     "$address_data of a verified sender", Taint::outside},
    {"sender_fullhost", made<&sender_fullhost>, "name, HELO name and address of the client",
     Taint::outside},
    {"sender_helo_dnssec", sender_helo_dnssec, "yes where it was verified, and securely"},
    {"sender_helo_verified", made<&sender_helo_verified>, "yes where HELO was verified"},
    {"sender_helo_name", field<&ConnectionFacts::sender_helo_name>, "argument of HELO or EHLO",
     Taint::outside},
    {"sender_host_address", made<&sender_host_address>, "address of the client"},
    {"sender_host_authenticated", field<&ConnectionFacts::sender_host_authenticated>,
     "name of the authenticator that succeeded"},
    {"sender_host_dnssec", made<&sender_host_dnssec>, "yes where the client's name was secure"},
    {"sender_host_name", sender_host_name,
     "verified name of the client, asked for where it must be", Taint::outside},
    {"sender_host_port", made<&sender_host_port>, "port of the client"},
    {"sender_ident", field<&ConnectionFacts::sender_ident>,
     "ident of the client, or login of a local sender", Taint::outside},
    {"sender_rcvhost", made<&sender_rcvhost>, "the client as Received: shows it", Taint::outside},
    {"sender_verify_failure", field<&Findings::sender_verify_failure>,
     "what failed of a sender: qualify, route, mail, recipient, postmaster"},
    {"smtp_command", field<&ConnectionFacts::smtp_command>, "the command that is being handled",
     Taint::outside},
    {"smtp_command_argument", made<&smtp_command_argument>, "its argument", Taint::outside},
    {"smtp_count_at_connection_start", field<&ConnectionFacts::connections_at_start>,
     "connections when this one began"},
    {"smtp_notquit_reason", field<&ConnectionFacts::smtp_notquit_reason>,
     "why a connection ended without QUIT"},
    {"tls_in_bits", tls_in<&TlsFacts::bits>, "strength of the cipher"},
    {"tls_in_certificate_verified", made<&tls_verified<ConnectionFacts>>,
     "1 where the certificate of the peer is good"},
    {"tls_in_cipher", tls_in<&TlsFacts::cipher>, "cipher of the connection"},
    {"tls_in_cipher_std", tls_in<&TlsFacts::cipher_std>, "cipher by its standard name"},
    {"tls_in_ocsp", tls_in<&TlsFacts::ocsp>, "state of OCSP stapling"},
    {"tls_in_ourcert", tls_in<&TlsFacts::our_certificate>, "certificate that was shown, as PEM"},
    {"tls_in_peercert", tls_in<&TlsFacts::peer_certificate>, "certificate of the peer, as PEM"},
    {"tls_in_peerdn", tls_in<&TlsFacts::peer_dn>, "DN of the peer's certificate", Taint::outside},
    {"tls_in_resumption", tls_in<&TlsFacts::resumption>,
     "bits that tell how far the session was resumed"},
    {"tls_in_sni", tls_in<&TlsFacts::sni>, "server name that was asked for", Taint::outside},
    {"tls_in_ver", tls_in<&TlsFacts::version>, "version of TLS"},
    {"tls_out_bits", tls_out<&TlsFacts::bits>, "strength of the cipher"},
    {"tls_out_certificate_verified", made<&tls_verified<EvalContext>>,
     "1 where the certificate of the peer is good"},
    {"tls_out_cipher", tls_out<&TlsFacts::cipher>, "cipher of the connection"},
    {"tls_out_cipher_std", tls_out<&TlsFacts::cipher_std>, "cipher by its standard name"},
    {"tls_out_dane", made<&tls_out_dane>, "yes where TLSA records vouch for the peer"},
    {"tls_out_ocsp", tls_out<&TlsFacts::ocsp>, "state of OCSP stapling"},
    {"tls_out_ourcert", tls_out<&TlsFacts::our_certificate>, "certificate that was shown, as PEM"},
    {"tls_out_peercert", tls_out<&TlsFacts::peer_certificate>, "certificate of the peer, as PEM"},
    {"tls_out_peerdn", tls_out<&TlsFacts::peer_dn>, "DN of the peer's certificate", Taint::outside},
    {"tls_out_resumption", tls_out<&TlsFacts::resumption>,
     "bits that tell how far the session was resumed"},
    {"tls_out_sni", tls_out<&TlsFacts::sni>, "server name that was asked for", Taint::outside},
    {"tls_out_tlsa_usage", tls_out<&TlsFacts::tlsa_usage>, "bits of the usages of TLSA records"},
    {"tls_out_ver", tls_out<&TlsFacts::version>, "version of TLS"},
    {"verify_mode", field<&EvalContext::verify_mode>, "S or R while an address is verified"},
});

}  // namespace

std::span<const VariableRow> connection_variable_rows() noexcept {
  return kRows;
}

}  // namespace godwit::acl
