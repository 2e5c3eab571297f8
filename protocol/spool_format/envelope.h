// Envelope: everything that is known of a message beside its text. Written once, when the message
// is accepted; what changes later (recipients done, next attempt, frozen) is in updates of the
// spool. Two forms: our compact tagged bytes (the spool's records), and Exim's -H text
// (envelope_text.h). A value type. Errors: malformed, for bytes that nobody of ours wrote.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit {

// RFC 3461 4.1; the values are those of Exim's -H files.
enum DsnFlags : uint8_t {
  kDsnNever = 0x02,
  kDsnSuccess = 0x04,
  kDsnFailure = 0x08,
  kDsnDelay = 0x10,
};

struct EnvelopeRecipient {
  std::string address;
  std::string orcpt;      // RFC 3461 ORCPT as received ("rfc822;" + xtext); empty for none
  std::string errors_to;  // where its bounces go; empty: to the sender
  uint8_t dsn_flags = 0;  // DsnFlags; 0: NOTIFY was not given
  bool operator==(const EnvelopeRecipient&) const = default;
};

struct EnvelopeVariable {
  std::string name;  // "acl_m_foo", "acl_c0"
  std::string value;
  bool tainted = false;  // it came from outside
  bool operator==(const EnvelopeVariable&) const = default;
};

enum class DsnRet : uint8_t { unset = 0, headers = 1, full = 2 };

struct Envelope {
  std::string message_id;
  std::string sender;  // without brackets; empty for bounces
  std::vector<EnvelopeRecipient> recipients;
  WallTime received;

  // Who submitted it.
  std::string submitter_login;
  int64_t submitter_uid = 0;
  int64_t submitter_gid = 0;
  std::string helo_name;
  std::string host_address;  // "[192.0.2.1]:4711"; empty for local mail
  std::string host_name;
  std::string interface_address;  // "[192.0.2.2]:25"
  std::string active_hostname;
  std::string ident;
  std::string protocol;  // $received_protocol: "esmtp", "local" ...
  std::string auth_id;
  std::string auth_sender;
  std::string auth_name;
  std::string tls_cipher;
  std::string tls_version;
  std::string tls_peer_dn;
  std::string tls_sni;

  // The message.
  uint64_t message_bytes = 0;  // header section, empty line and body, in wire format
  uint64_t body_lines = 0;
  uint64_t body_zeros = 0;
  uint64_t line_bytes_max = 0;
  uint64_t receive_millis = 0;  // from the start of its text to `received`
  bool body_8bit = false;
  bool smtputf8 = false;
  bool utf8_downconvert = false;     // its addresses go out in ASCII
  bool utf8_downconvert_if = false;  // where the host does not take UTF-8
  bool has_bare_line_ends = false;   // a CR or LF alone is in the text (smtp_bare_newline = keep)
  bool is_local = false;             // $sender_host_address is empty
  bool is_local_error = false;       // a report that we made
  bool frozen_at_start = false;      // control = freeze
  bool queue_only = false;           // control = queue_only, -odq
  std::string queue_name;            // of a named queue; empty: the default one
  DsnRet dsn_ret = DsnRet::unset;
  std::string dsn_envid;  // xtext as received

  // Message-level ACL variables, and connection-level ones as they were at the end.
  std::vector<EnvelopeVariable> variables;

  bool operator==(const Envelope&) const = default;
};

std::string encode_envelope(const Envelope& envelope);
// Fields that this version does not know are skipped.
Result<Envelope> decode_envelope(std::string_view bytes);

}  // namespace godwit
