// Names of the header fields that the program treats specially: a row is name, kind, letter, flags.
// The letter is the type byte of Exim's -H file: B C F I P R S T, "*" deleted, space for the rest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace godwit::message {

enum class FieldKind : uint8_t {
  other,
  bcc,
  cc,
  date,
  delivery_date,
  envelope_to,
  from,
  lines,
  message_id,
  mime_version,
  received,
  reply_to,
  return_path,
  sender,
  subject,
  to,
  resent_bcc,
  resent_cc,
  resent_date,
  resent_from,
  resent_message_id,
  resent_reply_to,
  resent_sender,
  resent_to,
};
inline constexpr size_t kFieldKindCount = static_cast<size_t>(FieldKind::resent_to) + 1;

struct FieldRow {
  std::string_view name;  // lower case
  FieldKind kind;
  char letter;
  bool has_addresses;  // its body is an address list
  bool is_resent;
};

// FieldKind::other where the name has no row. Case does not matter.
FieldKind field_kind(std::string_view name) noexcept;
const FieldRow& field_row(FieldKind kind) noexcept;
// Exim's type letter of a whole field ("Subject: x"); space where it is not special.
char field_letter(std::string_view name) noexcept;

// A header field as a message keeps it. `text` has its name, colon, folding and final line end.
struct HeaderField {
  char letter = ' ';  // Exim's type; '*' for one that was deleted or replaced
  std::string_view text;
};

// The bytes of the field at the start of a header section, with its folded lines (RFC 5322 2.2.3).
size_t field_bytes(std::string_view section) noexcept;

}  // namespace godwit::message
