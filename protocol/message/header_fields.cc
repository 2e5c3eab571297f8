#include "protocol/message/header_fields.h"

#include "core/base/ascii.h"

#include <algorithm>

namespace godwit::message {
namespace {

// clang-format off
constexpr std::array<FieldRow, kFieldKindCount> kFields{{
    //        name                 kind                          letter  addresses  resent
    FieldRow{"",                   FieldKind::other,             ' ',    false,     false},
    FieldRow{"bcc",                FieldKind::bcc,               'B',    true,      false},
    FieldRow{"cc",                 FieldKind::cc,                'C',    true,      false},
    FieldRow{"date",               FieldKind::date,              ' ',    false,     false},
    FieldRow{"delivery-date",      FieldKind::delivery_date,     ' ',    false,     false},
    FieldRow{"envelope-to",        FieldKind::envelope_to,       ' ',    false,     false},
    FieldRow{"from",               FieldKind::from,              'F',    true,      false},
    FieldRow{"lines",              FieldKind::lines,             ' ',    false,     false},
    FieldRow{"message-id",         FieldKind::message_id,        'I',    false,     false},
    FieldRow{"mime-version",       FieldKind::mime_version,      ' ',    false,     false},
    FieldRow{"received",           FieldKind::received,          'P',    false,     false},
    FieldRow{"reply-to",           FieldKind::reply_to,          'R',    true,      false},
    FieldRow{"return-path",        FieldKind::return_path,       ' ',    false,     false},
    FieldRow{"sender",             FieldKind::sender,            'S',    true,      false},
    FieldRow{"subject",            FieldKind::subject,           ' ',    false,     false},
    FieldRow{"to",                 FieldKind::to,                'T',    true,      false},
    FieldRow{"resent-bcc",         FieldKind::resent_bcc,        'B',    true,      true},
    FieldRow{"resent-cc",          FieldKind::resent_cc,         'C',    true,      true},
    FieldRow{"resent-date",        FieldKind::resent_date,       ' ',    false,     true},
    FieldRow{"resent-from",        FieldKind::resent_from,       'F',    true,      true},
    FieldRow{"resent-message-id",  FieldKind::resent_message_id, 'I',    false,     true},
    FieldRow{"resent-reply-to",    FieldKind::resent_reply_to,   ' ',    true,      true},
    FieldRow{"resent-sender",      FieldKind::resent_sender,     'S',    true,      true},
    FieldRow{"resent-to",          FieldKind::resent_to,         'T',    true,      true},
}};
// clang-format on

constexpr bool rows_cover_kinds() {
  for (size_t n = 0; n < kFields.size(); ++n) {
    if (static_cast<size_t>(kFields[n].kind) != n) return false;
  }
  return true;
}
static_assert(rows_cover_kinds());
constexpr size_t kFirstResent = static_cast<size_t>(FieldKind::resent_bcc);
static_assert(std::ranges::is_sorted(kFields.begin(), kFields.begin() + kFirstResent, {},
                                     &FieldRow::name));
static_assert(std::ranges::is_sorted(kFields.begin() + kFirstResent, kFields.end(), {},
                                     &FieldRow::name));

}  // namespace

FieldKind field_kind(std::string_view name) noexcept {
  constexpr std::string_view kResent = "resent-";
  // A linear walk that compares sizes first touches one or two rows' text.
  const bool resent = starts_with_ignore_case(name, kResent);
  const size_t from = resent ? kFirstResent : 1;
  const size_t to = resent ? kFields.size() : kFirstResent;
  for (size_t n = from; n < to; ++n) {
    if (equals_ignore_case(kFields[n].name, name)) return kFields[n].kind;
  }
  return FieldKind::other;
}

const FieldRow& field_row(FieldKind kind) noexcept {
  return kFields[static_cast<size_t>(kind)];
}

char field_letter(std::string_view name) noexcept {
  return field_row(field_kind(name)).letter;
}

size_t field_bytes(std::string_view section) noexcept {
  size_t end = 0;
  do {
    const size_t line_end = section.find('\n', end);
    if (line_end == std::string_view::npos) return section.size();
    end = line_end + 1;
  } while (end < section.size() && (section[end] == ' ' || section[end] == '\t'));
  return end;
}

}  // namespace godwit::message
