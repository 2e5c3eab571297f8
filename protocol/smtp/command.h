// MAIL, RCPT and HELO arguments: paths and ESMTP parameters, RFC 5321 4.1.2 and the extensions'
// own. What it is: pure parsers from a line to views into that line; they answer with a
// ParseFailure whose reply has Exim's text.
#pragma once

#include "protocol/message/address_syntax.h"
#include "protocol/smtp/extensions.h"
#include "protocol/smtp/reply.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::smtp {

enum class BodyKind : uint8_t { unspecified, seven_bit, eight_bit_mime };
enum class DsnReturn : uint8_t { unspecified, headers, full };

// NOTIFY as bits; the values are those of Exim's spool file.
enum NotifyBits : uint8_t {
  kNotifyNever = 0x02,
  kNotifySuccess = 0x04,
  kNotifyFailure = 0x08,
  kNotifyDelay = 0x10,
};

// An address between "<" and ">". Without a source route: it is parsed and dropped.
struct Path {
  std::string_view address;  // "a@b", "postmaster", or empty for "<>"
  std::string_view local_part;
  std::string_view domain;  // empty: unqualified; the driver decides
  // As the client wrote it, with its brackets: for error texts.
  std::string_view written;
  bool is_unqualified() const noexcept { return domain.empty() && !address.empty(); }
  // RFC 5321 4.5.1: <postmaster> without a domain is always accepted and qualified.
  bool is_postmaster() const noexcept;
};

struct MailCommand {
  Path path;
  uint64_t size = 0;
  bool has_size = false;
  BodyKind body = BodyKind::unspecified;
  bool smtputf8 = false;
  bool prdr = false;
  DsnReturn ret = DsnReturn::unspecified;
  bool has_auth = false;
  std::string_view envid;  // xtext, as given
  std::string auth;        // decoded; "<>" for the unknown sender
};

struct RcptCommand {
  Path path;
  uint8_t notify = 0;      // NotifyBits; 0: not given
  std::string_view orcpt;  // "rfc822;xtext", as given
};

// Why an argument was refused. Where an address is at fault, the text is "ARGUMENT: why".
struct ParseFailure {
  uint16_t code = 0;  // 0: no failure
  std::string_view enhanced;
  std::string text;

  explicit operator bool() const noexcept { return code != 0; }
};

// What is forgiven in addresses.
struct PathRules {
  bool strip_brackets = false;      // strip_excess_angle_brackets: "<<a@b>>"
  bool strip_trailing_dot = false;  // "<a@b.>"
  bool utf8_domains = false;        // allow_utf8_domains: without SMTPUTF8
  bool literals = true;             // allow_domain_literals: "<a@[192.0.2.1]>"
};

// The path in the argument of MAIL or RCPT, as it came, without the parameters behind it.
std::string_view path_part(std::string_view argument) noexcept;

// `argument` is what follows "MAIL FROM:" or "RCPT TO:". `esmtp`: parameters are allowed.
ParseFailure parse_mail(std::string_view argument, const Offer& offer, const PathRules& rules,
                        bool esmtp, MailCommand& command);
// `utf8`: the transaction has SMTPUTF8.
ParseFailure parse_rcpt(std::string_view argument, const Offer& offer, const PathRules& rules,
                        bool esmtp, bool utf8, RcptCommand& command);

struct HeloRules {
  bool accept_junk = false;          // helo_accept_junk_hosts matches
  std::string_view more_characters;  // helo_allow_chars
};
bool is_helo_name(std::string_view name, const HeloRules& rules);

}  // namespace godwit::smtp
