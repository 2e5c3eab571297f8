// The compact form: a version byte, then fields of <tag byte> <varint length> <bytes>. Empty and
// zero fields are left out. A field is a row.
#include "protocol/spool_format/envelope.h"

#include <array>
#include <variant>

namespace godwit {
namespace {

constexpr char kVersion = 1;
// Bounds of what the bytes of a damaged or hostile spool may ask for.
constexpr size_t kRecipientsMax = 10'000'000;

void append_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void append_text(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out += text;
}

// Reads forward; `failed` stays set once anything was missing.
struct Cursor {
  std::string_view left;
  bool failed = false;

  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !left.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(left.front());
      left.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    failed = true;
    return 0;
  }
  std::string_view text() {
    const uint64_t size = varint();
    if (failed || size > left.size()) {
      failed = true;
      return {};
    }
    const std::string_view out = left.substr(0, size);
    left.remove_prefix(size);
    return out;
  }
};

using TextField = std::string Envelope::*;
using SizeField = uint64_t Envelope::*;
using SignedField = int64_t Envelope::*;
using FlagField = bool Envelope::*;

struct FieldRow {
  uint8_t tag;
  std::variant<TextField, SizeField, SignedField, FlagField> member;
};

// Tags are for ever. 1 to 3 are the fields that are no plain row.
constexpr uint8_t kTagRecipient = 1;
constexpr uint8_t kTagReceived = 2;
constexpr uint8_t kTagVariable = 3;
constexpr uint8_t kTagDsnRet = 4;

// clang-format off
constexpr std::array kFields{
    FieldRow{10, &Envelope::message_id},
    FieldRow{11, &Envelope::sender},
    FieldRow{12, &Envelope::submitter_login},
    FieldRow{13, &Envelope::submitter_uid},
    FieldRow{14, &Envelope::submitter_gid},
    FieldRow{15, &Envelope::helo_name},
    FieldRow{16, &Envelope::host_address},
    FieldRow{17, &Envelope::host_name},
    FieldRow{18, &Envelope::interface_address},
    FieldRow{19, &Envelope::active_hostname},
    FieldRow{20, &Envelope::ident},
    FieldRow{21, &Envelope::protocol},
    FieldRow{22, &Envelope::auth_id},
    FieldRow{23, &Envelope::auth_sender},
    FieldRow{24, &Envelope::auth_name},
    FieldRow{25, &Envelope::tls_cipher},
    FieldRow{26, &Envelope::tls_version},
    FieldRow{27, &Envelope::tls_peer_dn},
    FieldRow{28, &Envelope::tls_sni},
    FieldRow{29, &Envelope::message_bytes},
    FieldRow{30, &Envelope::body_lines},
    FieldRow{31, &Envelope::body_zeros},
    FieldRow{32, &Envelope::line_bytes_max},
    FieldRow{33, &Envelope::body_8bit},
    FieldRow{34, &Envelope::smtputf8},
    FieldRow{35, &Envelope::is_local},
    FieldRow{36, &Envelope::is_local_error},
    FieldRow{37, &Envelope::frozen_at_start},
    FieldRow{38, &Envelope::queue_only},
    FieldRow{39, &Envelope::dsn_envid},
    FieldRow{40, &Envelope::has_bare_line_ends},
    FieldRow{41, &Envelope::queue_name},
    FieldRow{44, &Envelope::utf8_downconvert},
    FieldRow{45, &Envelope::utf8_downconvert_if},
    FieldRow{46, &Envelope::receive_millis},
};
// clang-format on

void append_number(std::string& out, uint8_t tag, uint64_t value) {
  if (value == 0) return;
  out += static_cast<char>(tag);
  std::string number;
  append_varint(number, value);
  append_text(out, number);
}

struct FieldWriter {
  std::string& out;
  const Envelope& envelope;
  uint8_t tag;

  void operator()(TextField member) const {
    if ((envelope.*member).empty()) return;
    out += static_cast<char>(tag);
    append_text(out, envelope.*member);
  }
  void operator()(SizeField member) const { append_number(out, tag, envelope.*member); }
  void operator()(SignedField member) const {
    append_number(out, tag, static_cast<uint64_t>(envelope.*member));
  }
  void operator()(FlagField member) const { append_number(out, tag, envelope.*member ? 1 : 0); }
};

struct FieldReader {
  Envelope& envelope;
  std::string_view value;

  uint64_t number() const {
    Cursor cursor{value};
    return cursor.varint();
  }
  void operator()(TextField member) const { envelope.*member = value; }
  void operator()(SizeField member) const { envelope.*member = number(); }
  void operator()(SignedField member) const { envelope.*member = static_cast<int64_t>(number()); }
  void operator()(FlagField member) const { envelope.*member = number() != 0; }
};

void append_recipient(std::string& out, const EnvelopeRecipient& recipient) {
  std::string value;
  append_text(value, recipient.address);
  const bool plain =
      recipient.orcpt.empty() && recipient.errors_to.empty() && recipient.dsn_flags == 0;
  if (!plain) {
    value += static_cast<char>(recipient.dsn_flags);
    append_text(value, recipient.orcpt);
    append_text(value, recipient.errors_to);
  }
  out += static_cast<char>(kTagRecipient);
  append_text(out, value);
}

bool read_recipient(std::string_view value, Envelope& envelope) {
  if (envelope.recipients.size() >= kRecipientsMax) return false;
  Cursor cursor{value};
  EnvelopeRecipient& recipient = envelope.recipients.emplace_back();
  recipient.address = cursor.text();
  if (cursor.failed || cursor.left.empty()) return !cursor.failed;
  recipient.dsn_flags = static_cast<uint8_t>(cursor.left.front());
  cursor.left.remove_prefix(1);
  recipient.orcpt = cursor.text();
  recipient.errors_to = cursor.text();
  return !cursor.failed;
}

bool read_special(uint8_t tag, std::string_view value, Envelope& envelope) {
  Cursor cursor{value};
  switch (tag) {
    case kTagRecipient:
      return read_recipient(value, envelope);
    case kTagReceived:
      envelope.received = WallTime{static_cast<int64_t>(cursor.varint())};
      return !cursor.failed;
    case kTagDsnRet: {
      const uint64_t ret = cursor.varint();
      if (cursor.failed || ret > static_cast<uint64_t>(DsnRet::full)) return false;
      envelope.dsn_ret = static_cast<DsnRet>(ret);
      return true;
    }
    case kTagVariable: {
      EnvelopeVariable& variable = envelope.variables.emplace_back();
      variable.name = cursor.text();
      variable.value = cursor.text();
      // An envelope that was written before there was a mark may have anything in it.
      variable.tainted = cursor.left != std::string_view("\0", 1);
      return !cursor.failed;
    }
    default:
      return true;  // of a later version
  }
}

}  // namespace

std::string encode_envelope(const Envelope& envelope) {
  std::string out;
  out.reserve(256 + 40 * envelope.recipients.size());
  out += kVersion;
  append_number(out, kTagReceived, static_cast<uint64_t>(envelope.received.micros));
  append_number(out, kTagDsnRet, static_cast<uint64_t>(envelope.dsn_ret));
  for (const FieldRow& row : kFields) std::visit(FieldWriter{out, envelope, row.tag}, row.member);
  for (const EnvelopeVariable& variable : envelope.variables) {
    std::string value;
    append_text(value, variable.name);
    append_text(value, variable.value);
    value += variable.tainted ? '\1' : '\0';
    out += static_cast<char>(kTagVariable);
    append_text(out, value);
  }
  for (const EnvelopeRecipient& recipient : envelope.recipients) append_recipient(out, recipient);
  return out;
}

Result<Envelope> decode_envelope(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != kVersion) return Error(Errc::malformed, "envelope version");
  Envelope envelope;
  Cursor cursor{bytes.substr(1)};
  while (!cursor.left.empty()) {
    const auto tag = static_cast<uint8_t>(cursor.left.front());
    cursor.left.remove_prefix(1);
    const std::string_view value = cursor.text();
    if (cursor.failed) return Error(Errc::malformed, "envelope field");
    const FieldRow* row = nullptr;
    for (const FieldRow& candidate : kFields) {
      if (candidate.tag == tag) row = &candidate;
    }
    if (row != nullptr) {
      std::visit(FieldReader{envelope, value}, row->member);
    } else if (!read_special(tag, value, envelope)) {
      return Error(Errc::malformed, "envelope field");
    }
  }
  return envelope;
}

}  // namespace godwit
