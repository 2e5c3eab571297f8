// SMTP commands: one row each. Sequence, synchronisation and the non-mail count are read from here.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace godwit::smtp {

enum class Verb : uint8_t {
  auth,
  bdat,
  data,
  ehlo,
  etrn,
  expn,
  helo,
  help,
  mail,
  noop,
  quit,
  rcpt,
  rset,
  starttls,
  vrfy,
  unknown,
};

// RFC 2920 3.1: what may follow a command before its answer was sent.
enum class Sync : uint8_t {
  ends_group,  // nothing may follow
  pipelined,   // anything may follow where PIPELINING was offered, else nothing
  free,        // not checked: the octets of a chunk follow BDAT; nothing that follows QUIT is read
};

// smtp_accept_max_nonmail: what counts as a command that moves no mail.
enum class NonMail : uint8_t {
  never,
  after_first,       // each but the first since the last message, or since STARTTLS; EHLO is HELO
  after_first_ever,  // each but the first of the connection
  always,
};

enum class Argument : uint8_t { none, optional, required };

struct VerbRow {
  std::string_view name;
  Verb verb;
  Argument argument;
  Sync sync;
  NonMail non_mail;
  std::string_view doc;
};

// The row of the command that starts `line`; the row of Verb::unknown where there is none. Sets
// `argument` to what follows, without blanks around it.
const VerbRow& find_verb(std::string_view line, std::string_view& argument) noexcept;
const VerbRow& verb_row(Verb verb) noexcept;
// All but the row of Verb::unknown.
std::span<const VerbRow> verb_rows() noexcept;

}  // namespace godwit::smtp
