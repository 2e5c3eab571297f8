// The "-name value" lines of a -H file that are plain fields of an Envelope; a row is a line. Used
// by both directions (envelope_text_read.cc, envelope_text_write.cc), in the order of writing.
#pragma once

#include "protocol/spool_format/envelope.h"

#include <array>
#include <string_view>

namespace godwit::envelope_text {

enum class LineKind : uint8_t { text, endpoint, count, flag };

struct LineRow {
  std::string_view name;
  LineKind kind;
  bool is_tainted;  // written as "--name": the value is a stranger's
  std::string Envelope::*text = nullptr;
  uint64_t Envelope::*count = nullptr;
  bool Envelope::*flag = nullptr;
};

constexpr LineRow text_row(std::string_view name, std::string Envelope::*member, bool is_tainted) {
  return {name, LineKind::text, is_tainted, member};
}
constexpr LineRow endpoint_row(std::string_view name, std::string Envelope::*member) {
  return {name, LineKind::endpoint, false, member};
}
constexpr LineRow count_row(std::string_view name, uint64_t Envelope::*member) {
  return {name, LineKind::count, false, nullptr, member};
}
constexpr LineRow flag_row(std::string_view name, bool Envelope::*member) {
  return {name, LineKind::flag, false, nullptr, nullptr, member};
}

// Before the ACL variables.
constexpr std::array kConnectionLines{
    text_row("helo_name", &Envelope::helo_name, true),
    endpoint_row("host_address", &Envelope::host_address),
    text_row("host_name", &Envelope::host_name, true),
    text_row("host_auth", &Envelope::auth_name, false),
    endpoint_row("interface_address", &Envelope::interface_address),
    text_row("active_hostname", &Envelope::active_hostname, false),
    text_row("ident", &Envelope::ident, true),
    text_row("received_protocol", &Envelope::protocol, false),
};
// After them; body_linecount and frozen go between, by their own code.
constexpr std::array kContentLines{
    count_row("max_received_linelength", &Envelope::line_bytes_max),
    count_row("body_zerocount", &Envelope::body_zeros),
    text_row("auth_id", &Envelope::auth_id, true),
    text_row("auth_sender", &Envelope::auth_sender, true),
};
constexpr std::array kStateLines{
    flag_row("local", &Envelope::is_local),
    flag_row("localerror", &Envelope::is_local_error),
    text_row("tls_cipher", &Envelope::tls_cipher, false),
    text_row("tls_peerdn", &Envelope::tls_peer_dn, true),
    text_row("tls_sni", &Envelope::tls_sni, true),
    text_row("tls_ver", &Envelope::tls_version, false),
    flag_row("smtputf8", &Envelope::smtputf8),
    flag_row("utf8_downcvt", &Envelope::utf8_downconvert),
    flag_row("utf8_optdowncvt", &Envelope::utf8_downconvert_if),
    text_row("dsn_envid", &Envelope::dsn_envid, false),
};
// Only read, where the order does not matter.
constexpr std::array kBodyLines{count_row("body_linecount", &Envelope::body_lines)};

inline constexpr std::string_view kEmptyTree = "XX";
inline constexpr uint8_t kFlagErrorsTo = 1;  // of "#3": errors_to and parent number are there
inline constexpr uint8_t kFlagDsn = 2;       // ORCPT and DSN flags are there
inline constexpr uint8_t kDsnFlagsKnown = kDsnNever | kDsnSuccess | kDsnFailure | kDsnDelay;

}  // namespace godwit::envelope_text
