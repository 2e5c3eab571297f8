// What a message may be, and what is done to it.
#include "core/config/main_option_rows.h"

#include <array>

namespace godwit::config {
namespace {

using enum Effect;
using M = MainOptions;

// name, field, default, effect, documentation, choices
constexpr auto kRows = std::to_array<OptionRow<M>>({
    {"check_rfc2047_length", &M::check_rfc2047_length, "true", now,
     "enforce the length limit of encoded words"},
    {"delivery_date_remove", &M::delivery_date_remove, "true", now,
     "take Delivery-Date: off incoming messages"},
    {"drop_cr", &M::drop_cr, "false", never, "carriage returns in local messages"},
    {"envelope_to_remove", &M::envelope_to_remove, "true", now,
     "take Envelope-To: off incoming messages"},
    {"extract_addresses_remove_arguments", &M::extract_addresses_remove_arguments, "true", now,
     "-t removes addresses given as arguments"},
    {"header_line_maxsize", &M::header_line_maxsize, "0", now,
     "longest header line; 0: no limit of its own"},
    {"header_maxsize", &M::header_maxsize, "1M", now, "longest header section"},
    {"headers_charset", &M::headers_charset, "UTF-8", now, "character set of decoded headers"},
    {"ignore_fromline_hosts", &M::ignore_fromline_hosts, "", now,
     "hosts whose messages may begin with a From line, which is taken off"},
    {"ignore_fromline_local", &M::ignore_fromline_local, "false", now,
     "the same for SMTP of local processes"},
    {"local_from_check", &M::local_from_check, "true", now,
     "add Sender: to messages in submission mode where From: differs"},
    {"local_from_prefix", &M::local_from_prefix, "", now, "prefixes that local_from_check ignores"},
    {"local_from_suffix", &M::local_from_suffix, "", now, "suffixes that local_from_check ignores"},
    {"local_sender_retain", &M::local_sender_retain, "false", now,
     "keep Sender: of local messages"},
    {"message_body_newlines", &M::message_body_newlines, "false", now,
     "keep line ends in $message_body"},
    {"message_body_visible", &M::message_body_visible, "500", now, "length of $message_body"},
    {"message_id_form", &M::message_id_form, "long", now,
     "characters of message ids: 23 as Exim >= 4.97 makes them, or the 16 of older log tools",
     "long|short"},
    {"message_id_header_domain", &M::message_id_header_domain, "", now,
     "domain of generated Message-Id: headers"},
    {"message_id_header_text", &M::message_id_header_text, "", now,
     "text in generated Message-Id: headers"},
    {"message_size_limit", &M::message_size_limit, "50M", now, "longest message; 0: no limit"},
    {"qualify_domain", &M::qualify_domain, "", now,
     "domain added to senders without one; unset: primary_hostname"},
    {"qualify_recipient", &M::qualify_recipient, "", now,
     "domain added to recipients without one; unset: qualify_domain"},
    {"received_header_text", &M::received_header_text,
     "Received: ${if def:sender_rcvhost {from $sender_rcvhost\\n\\t}{${if def:sender_ident {from "
     "${quote_local_part:$sender_ident} }}${if def:sender_helo_name "
     "{(helo=$sender_helo_name)\\n\\t}}}}by $primary_hostname ${if def:received_protocol {with "
     "$received_protocol }}${if def:tls_in_ver { ($tls_in_ver)}}${if def:tls_in_cipher_std { tls "
     "$tls_in_cipher_std\\n\\t}}(Godwit $version_number)\\n\\t${if def:sender_address "
     "{(envelope-from <$sender_address>)\\n\\t}}id $message_exim_id${if def:received_for "
     "{\\n\\tfor $received_for}}",
     now, "text of the Received: header"},
    {"received_headers_max", &M::received_headers_max, "30", now,
     "Received: headers over which a message counts as looping"},
    {"receive_timeout", &M::receive_timeout, "0s", now, "time for a local message; 0s: none"},
    {"return_path_remove", &M::return_path_remove, "true", now,
     "take Return-Path: off incoming messages"},
    {"unknown_login", &M::unknown_login, "", now,
     "login name for a user that the system does not know"},
    {"unknown_username", &M::unknown_username, "", now, "full name for such a user"},
    {"untrusted_set_sender", &M::untrusted_set_sender, "", now,
     "senders that any local user may set"},
    {"uucp_from_pattern", &M::uucp_from_pattern,
     "^From\\s+(\\S+)\\s+(?:[a-zA-Z]{3},?\\s+)?(?:[a-zA-Z]{3}\\s+\\d?\\d|\\d?\\d\\s+[a-zA-Z]{3}\\s+"
     "\\d\\d(?:\\d\\d)?)\\s+\\d\\d?:\\d\\d?",
     now, "pattern of a From line"},
    {"uucp_from_sender", &M::uucp_from_sender, "$1", now, "sender taken from a From line"},
});

}  // namespace

std::span<const OptionRow<MainOptions>> message_option_rows() noexcept {
  return kRows;
}

}  // namespace godwit::config
