#include "protocol/message/submission_mode.h"

#include "core/base/ascii.h"
#include "protocol/message/address_list.h"
#include "protocol/message/address_syntax.h"
#include "protocol/message/fixups.h"

#include <algorithm>

namespace godwit::message {
namespace {

// The address that the client authenticated as. Empty: it did not.
std::string authenticated_address(const SubmissionMode& mode) {
  if (mode.authenticated_id.empty()) return {};
  if (mode.domain && mode.domain->empty()) return mode.authenticated_id;
  return quote_local_part(mode.authenticated_id) + "@" + mode.domain.value_or(mode.qualify_domain);
}

std::string address_field(std::string_view prefix, std::string_view name, std::string_view phrase,
                          std::string_view address) {
  std::string out(prefix);
  out.append(name).append(": ").append(phrase);
  if (!phrase.empty()) out += " <";
  out += address;
  if (!phrase.empty()) out += '>';
  return out + "\r\n";
}

// Whether the field names this one address and no other.
bool is_from(std::string_view body, std::string_view address) {
  const Result<AddressList> list = parse_address_list(body, Utf8::allowed);
  return list && list->addresses.size() == 1 &&
         equals_ignore_case(list->addresses.front().address, address);
}

std::string_view body_of(std::string_view section, const FieldPlace& field) {
  const std::string_view text = section.substr(field.offset, field.bytes);
  return text.substr(std::min(text.find(':') + 1, text.size()));
}

}  // namespace

SubmittedHeaders apply_submission_mode(std::string_view section, const SubmissionMode& mode) {
  HeaderScanner scanner;
  scanner.feed(section);
  scanner.finish();
  const bool resent = scanner.has_resent();
  const std::string_view prefix = resent ? "Resent-" : "";
  const FieldKind from_kind = resent ? FieldKind::resent_from : FieldKind::from;
  const FieldKind sender_kind = resent ? FieldKind::resent_sender : FieldKind::sender;
  const std::string own = authenticated_address(mode);

  SubmittedHeaders out{{}, mode.sender};
  bool is_from_own = false;
  // Of more fields than the scanner keeps, none is taken away.
  const bool drops_sender = !mode.sender_retain && scanner.fields_complete();
  if (!scanner.fields_complete()) out.section = section;
  for (const FieldPlace& field : scanner.fields()) {
    if (field.kind == sender_kind && drops_sender) continue;
    if (scanner.fields_complete()) out.section += section.substr(field.offset, field.bytes);
    if (field.kind == from_kind) is_from_own = is_from(body_of(section, field), own);
  }
  const MissingFields missing = missing_fields(scanner, Origin::submission);
  if (missing.message_id) {
    out.section += message_id_field(mode.id, mode.message_id_domain, mode.message_id_text, resent);
  }
  const std::string& author = mode.sender.empty() ? own : mode.sender;
  const bool adds_from = missing.from && !author.empty();
  if (adds_from) {
    out.section += address_field(prefix, "From", mode.name, author);
    is_from_own = equals_ignore_case(author, own);
  }
  const bool has_from = !missing.from || adds_from;
  if (has_from && mode.checks_from && !mode.sender_retain && !own.empty()) {
    if (!is_from_own) out.section += address_field(prefix, "Sender", mode.name, own);
    if (!mode.sender.empty()) out.sender = own;
  }
  if (missing.date) out.section += date_field(mode.now, mode.utc, resent);
  return out;
}

}  // namespace godwit::message
