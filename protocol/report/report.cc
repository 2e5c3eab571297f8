// The header section and the three parts of a report. RFC 3464, 3461 6, 6522, 3834, 6533.
#include "protocol/report/report.h"

#include "core/base/ascii.h"
#include "protocol/message/fixups.h"
#include "protocol/message/header_scan.h"
#include "protocol/message/references.h"
#include "protocol/report/fact_text.h"
#include "protocol/report/limits.h"
#include "protocol/report/status_part.h"

#include <algorithm>
#include <array>

namespace godwit::report {
namespace {

struct KindRow {
  ReportKind kind;
  std::string_view introduction;
};
// clang-format off
constexpr std::array kKinds{
    KindRow{ReportKind::failure, "Your message could not be delivered to the recipients below. This is final:\r\n"
                                 "no further attempt will be made."},
    KindRow{ReportKind::delay,   "Your message has not yet been delivered to the recipients below. This is only\r\n"
                                 "a warning: delivery will be tried again, and you need not do anything."},
    KindRow{ReportKind::success, "You asked to be told of success: your message was delivered to, or passed on\r\n"
                                 "for, the recipients below."},
};
// clang-format on
constexpr bool rows_cover_kinds() {
  for (size_t n = 0; n < kKinds.size(); ++n) {
    if (static_cast<size_t>(kKinds[n].kind) != n) return false;
  }
  return true;
}
static_assert(rows_cover_kinds());

// Names of the media types: RFC 6522, and RFC 6533 for internationalized messages.
struct PartTypes {
  std::string_view text;
  std::string_view status;
  std::string_view headers;
  std::string_view message;
};
constexpr PartTypes kPlainTypes{"text/plain; charset=us-ascii", "message/delivery-status",
                                "text/rfc822-headers", "message/rfc822"};
constexpr PartTypes kUtf8Types{"text/plain; charset=utf-8", "message/global-delivery-status",
                               "message/global-headers", "message/global"};

void append_all(std::string& out, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) out += part;
}

void append_field(std::string& out, std::string_view name, std::string_view value, bool utf8) {
  const std::string text = one_line(value, utf8, kFactBytesMax);
  if (!text.empty()) append_all(out, {name, ": ", text, kLineEnd});
}

// The Message-ID of the message that is reported on; empty where it has none that can be repeated.
std::string_view original_message_id(std::string_view headers) {
  message::HeaderScanner scanner;
  scanner.feed(headers);
  scanner.finish();
  for (const message::FieldPlace& field : scanner.fields()) {
    if (field.kind != message::FieldKind::message_id) continue;
    const std::string_view text = headers.substr(field.offset, field.bytes);
    const std::string_view id = trim(text.substr(text.find(':') + 1));
    const bool is_usable =
        id.size() > 2 && id.size() <= kFactBytesMax && id.front() == '<' && id.back() == '>' &&
        std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c <= '~'; });
    return is_usable ? id : std::string_view();
  }
  return {};
}

std::string subject(const ReportFacts& facts) {
  switch (facts.kind) {
    case ReportKind::failure:
      return "Mail delivery failed: returning message to sender";
    case ReportKind::delay:
      return "Warning: message " + std::string(facts.original_id) + " delayed " +
             delay_text(facts.now - facts.original_received);
    case ReportKind::success:
      break;
  }
  return "Delivery Status Notification";
}

void append_failed_recipients(std::string& out, const ReportFacts& facts) {
  if (facts.kind != ReportKind::failure || facts.recipients.empty()) return;
  const size_t count = std::min(facts.recipients.size(), kFailedRecipientsMax);
  out += "X-Failed-Recipients: ";
  for (size_t n = 0; n < count; ++n) {
    if (n != 0) append_all(out, {",", kLineEnd, "  "});
    out += one_line(facts.recipients[n].address, facts.smtputf8, kFactBytesMax);
  }
  out += kLineEnd;
}

void append_recipient_text(std::string& out, const ReportedRecipient& recipient, bool utf8) {
  append_all(out, {"  ", recipient.is_hidden ? "an address generated from " : "",
                   one_line(recipient.address, utf8, kFactBytesMax), kLineEnd});
  if (trim(recipient.text).empty()) return;
  LineShape shape;
  shape.lead = "    ";
  shape.width = kTextWidth;
  shape.spelled_ends = true;  // between the lines of a reply
  shape.column = shape.lead.size();
  shape.utf8 = utf8;
  shape.bytes_max = kExplanationBytesMax;
  shape.cut_notice = " [truncated]";
  out += shape.lead;
  append_lines(out, recipient.text, shape);
  out += kLineEnd;
}

std::string introduction(const ReportFacts& facts) {
  if (!trim(facts.own_introduction).empty())
    return wire_text(facts.own_introduction.substr(0, kCustomTextBytesMax), kLineBytesMax) +
           std::string(kLineEnd);
  std::string out = "This is a report of the mail system at ";
  append_all(out, {one_line(facts.primary_hostname, facts.smtputf8, kFactBytesMax), ".", kLineEnd,
                   kLineEnd});
  const std::string_view custom = facts.custom_text.substr(0, kCustomTextBytesMax);
  if (!trim(custom).empty()) append_all(out, {wire_text(custom, kLineBytesMax), kLineEnd});
  append_all(out, {kKinds[static_cast<size_t>(facts.kind)].introduction, kLineEnd, kLineEnd});
  return out;
}

std::string readable_text(const ReportFacts& facts) {
  std::string out = introduction(facts);
  const size_t count = std::min(facts.recipients.size(), kExplainedRecipientsMax);
  for (size_t n = 0; n < count; ++n) {
    append_recipient_text(out, facts.recipients[n], facts.smtputf8);
  }
  if (count < facts.recipients.size()) {
    append_all(out, {"  and ", std::to_string(facts.recipients.size() - count),
                     " more, which are in the second part of this report", kLineEnd});
  }
  if (!trim(facts.own_ending).empty()) {
    append_all(
        out, {kLineEnd, wire_text(facts.own_ending.substr(0, kCustomTextBytesMax), kLineBytesMax)});
    return out;
  }
  append_all(out, {kLineEnd, "The message has the identifier ",
                   one_line(facts.original_id, facts.smtputf8, kFactBytesMax), " here"});
  if (facts.original_received.micros != 0) {
    append_all(out, {" and was received", kLineEnd, "on ",
                     format_rfc5322_time(facts.original_received, facts.utc)});
  }
  append_all(out, {".", kLineEnd});
  return out;
}

struct ReturnedPart {
  std::string_view type;
  std::string content;
  bool has_body = false;
};

// A body with lines over the limit of RFC 5322 is not returned: it could not be sent.
ReturnedPart returned_part(const ReportFacts& facts, const PartTypes& types) {
  ReturnedPart part;
  if (!facts.returns_message) return part;
  part.content = wire_text(facts.original_headers, kLineBytesMax);
  part.has_body = facts.returns_body && longest_line(facts.original_body) <= kLineBytesMax &&
                  longest_line(facts.original_headers) <= kLineBytesMax;
  part.type = part.has_body ? types.message : types.headers;
  if (part.has_body) {
    append_all(part.content, {kLineEnd, wire_text(facts.original_body, kLineBytesMax)});
  }
  return part;
}

// What the reader must know about the third part.
std::string returned_notice(const ReportFacts& facts, const ReturnedPart& part) {
  std::string out(kLineEnd);
  if (part.type.empty()) return {};
  if (!part.has_body) {
    out += "Its header lines follow below.";
  } else if (facts.body_was_cut) {
    append_all(out,
               {"It is ", std::to_string(facts.original_bytes), " bytes long; only the first ",
                std::to_string(facts.original_body.size()), " bytes of its body\r\nfollow below."});
  } else {
    out += "A copy of it follows below.";
  }
  out += kLineEnd;
  return out;
}

// Not a line start of any part, so that no content can end its part.
std::string make_boundary(const ReportFacts& facts, std::initializer_list<std::string_view> parts) {
  std::string stem;
  for (const char c : facts.message_id.substr(0, 30)) {
    if (is_alnum(c) || c == '-') stem += c;
  }
  for (uint64_t n = 0;; ++n) {
    std::string boundary = "=_" + stem + "_report";
    if (n != 0) append_decimal(boundary, n);
    const bool occurs = std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
      return part.find(boundary) != std::string_view::npos;
    });
    if (!occurs) return boundary;
  }
}

// Lines that are no header lines, nor go on with one, would end the section: they are left out.
std::string own_header_lines(std::string_view text) {
  std::string out;
  const std::string wire = wire_text(text.substr(0, kCustomTextBytesMax), kLineBytesMax);
  for (std::string_view rest = wire; !rest.empty();) {
    const size_t end = std::min(rest.find(kLineEnd), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + kLineEnd.size(), rest.size()));
    const size_t colon = line.find(':');
    const bool goes_on = !out.empty() && !trim(line).empty() && is_blank(line.front());
    const bool begins = colon != std::string_view::npos && colon > 0 &&
                        std::all_of(line.begin(), line.begin() + static_cast<long>(colon),
                                    [](char c) { return c > ' ' && c <= '~'; });
    if (goes_on || begins) append_all(out, {line, kLineEnd});
  }
  return out;
}

std::string make_headers(const ReportFacts& facts, std::string_view message_id,
                         std::string_view boundary, bool is_8bit) {
  const bool utf8 = facts.smtputf8;
  std::string out;
  append_failed_recipients(out, facts);
  append_field(out, "Auto-Submitted", "auto-replied", utf8);
  append_field(out, "From", facts.from, utf8);
  append_field(out, "Reply-To", facts.reply_to, utf8);
  append_field(out, "To", facts.to, utf8);
  const std::string_view original = original_message_id(facts.original_headers);
  append_field(out, "In-Reply-To", original, utf8);
  append_field(out, "References", message::references_to(facts.original_headers, original), utf8);
  const std::string own = own_header_lines(facts.own_headers);
  out += own;
  if (own.empty()) append_field(out, "Subject", subject(facts), utf8);
  append_field(out, "Date", format_rfc5322_time(facts.now, facts.utc), utf8);
  append_field(out, "Message-Id", "<" + std::string(message_id) + ">", utf8);
  append_field(out, "MIME-Version", "1.0", utf8);
  append_all(out, {"Content-Type: multipart/report; report-type=delivery-status;", kLineEnd,
                   "\tboundary=\"", boundary, "\"", kLineEnd});
  if (is_8bit) append_field(out, "Content-Transfer-Encoding", "8bit", utf8);
  return out;
}

void append_part(std::string& out, std::string_view boundary, std::string_view type,
                 std::string_view content) {
  append_all(out, {"--", boundary, kLineEnd, "Content-Type: ", type, kLineEnd});
  if (has_8bit(content)) append_all(out, {"Content-Transfer-Encoding: 8bit", kLineEnd});
  append_all(out, {kLineEnd, content, kLineEnd});
}

}  // namespace

std::string delay_text(Millis delay) {
  constexpr int64_t kMinute = 60'000;
  constexpr int64_t kHour = 60 * kMinute;
  const bool in_minutes = delay.count < 2 * kHour;
  const int64_t count = std::max<int64_t>(0, delay.count / (in_minutes ? kMinute : kHour));
  std::string out = std::to_string(count) + (in_minutes ? " minute" : " hour");
  if (count != 1) out += 's';
  return out;
}

ReportText make_report(const ReportFacts& facts) {
  const PartTypes& types = facts.smtputf8 ? kUtf8Types : kPlainTypes;
  const ReturnedPart returned = returned_part(facts, types);
  const std::string text = readable_text(facts) + returned_notice(facts, returned);
  const std::string status = status_part(facts);
  const std::string boundary = make_boundary(facts, {text, status, returned.content});
  const bool is_8bit = has_8bit(text) || has_8bit(status) || has_8bit(returned.content);

  ReportText report;
  const std::string_view domain =
      facts.message_id_domain.empty() ? facts.primary_hostname : facts.message_id_domain;
  report.message_id = message::message_id_value(facts.message_id, domain, facts.message_id_text);
  report.headers = make_headers(facts, report.message_id, boundary, is_8bit);
  report.body.reserve(text.size() + status.size() + returned.content.size() + 512);
  // Custom text may have bytes over 0x7f in a report that is not internationalized.
  append_part(report.body, boundary, has_8bit(text) ? kUtf8Types.text : types.text, text);
  append_part(report.body, boundary, types.status, status);
  if (!returned.type.empty()) append_part(report.body, boundary, returned.type, returned.content);
  append_all(report.body, {"--", boundary, "--", kLineEnd});
  return report;
}

}  // namespace godwit::report
