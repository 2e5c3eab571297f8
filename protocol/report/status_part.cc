#include "protocol/report/status_part.h"

#include "core/base/ascii.h"
#include "protocol/report/fact_text.h"
#include "protocol/report/limits.h"
#include "protocol/smtp/xtext.h"

#include <array>
#include <optional>

namespace godwit::report {
namespace {

struct ActionRow {
  Action action;
  std::string_view name;
  std::string_view classes;  // of status codes that fit; the first is the default
};
constexpr std::array kActions{
    ActionRow{Action::failed, "failed", "54"},  // 4.4.7: gave up after trying for long
    ActionRow{Action::delayed, "delayed", "4"}, ActionRow{Action::delivered, "delivered", "2"},
    ActionRow{Action::relayed, "relayed", "2"}, ActionRow{Action::expanded, "expanded", "2"},
};
constexpr bool rows_cover_actions() {
  for (size_t n = 0; n < kActions.size(); ++n) {
    if (static_cast<size_t>(kActions[n].action) != n) return false;
  }
  return true;
}
static_assert(rows_cover_actions());

const ActionRow& action_row(Action action) noexcept {
  return kActions[static_cast<size_t>(action)];
}

// "c.s.d" with c one of `classes`, s and d of one to three digits (RFC 3463 2).
bool is_status(std::string_view text, std::string_view classes) noexcept {
  if (text.size() < 5 || text[1] != '.' || classes.find(text[0]) == std::string_view::npos) {
    return false;
  }
  const size_t dot = text.find('.', 2);
  if (dot == std::string_view::npos) return false;
  const std::string_view subject = text.substr(2, dot - 2);
  const std::string_view detail = text.substr(dot + 1);
  if (subject.empty() || subject.size() > 3 || detail.empty() || detail.size() > 3) return false;
  return parse_decimal(subject).has_value() && parse_decimal(detail).has_value();
}

class FieldWriter {
 public:
  FieldWriter(std::string& out, bool utf8) : out_(out), utf8_(utf8) {}

  // "name: type value", or nothing where there is no value.
  void fact(std::string_view name, std::string_view type, std::string_view value) {
    const std::string text = one_line(value, utf8_, kFactBytesMax);
    if (text.empty()) return;
    append_all({name, ": ", type, text, kLineEnd});
  }
  void extra(std::string_view name, std::string_view value) {
    LineShape shape;
    shape.width = kFieldWidth;
    shape.spelled_ends = true;
    shape.bytes_max = kExtraBytesMax;
    folded(name, "X-str; ", value, shape);
  }
  void diagnostic(std::string_view reply) {
    LineShape shape;
    shape.width = kLineBytesMax;
    shape.spelled_ends = true;
    shape.bytes_max = kDiagnosticBytesMax;
    shape.cut_notice = " [truncated]";
    folded("Diagnostic-Code", "smtp; ", reply, shape);
  }

 private:
  void append_all(std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) out_ += part;
  }
  void folded(std::string_view name, std::string_view type, std::string_view value,
              LineShape shape) {
    if (trim(value).empty()) return;
    append_all({name, ": ", type});
    shape.lead = " ";
    shape.column = name.size() + 2 + type.size();
    shape.utf8 = utf8_;
    append_lines(out_, value, shape);
    out_ += kLineEnd;
  }

  std::string& out_;
  bool utf8_;
};

// RFC 3461 4.2: "type;xtext". In the report the address stands decoded.
void write_original_recipient(FieldWriter& fields, std::string_view orcpt) {
  const size_t semicolon = orcpt.find(';');
  if (semicolon == std::string_view::npos) return;
  std::string type = one_line(orcpt.substr(0, semicolon), false, kFieldWidth);
  const std::string_view encoded = orcpt.substr(semicolon + 1);
  const std::optional<std::string> decoded = smtp::decode_xtext(encoded);
  type += ';';
  fields.fact("Original-Recipient", type, decoded ? std::string_view(*decoded) : encoded);
}

void write_remote(FieldWriter& fields, const ReportedRecipient& recipient, bool with_extras) {
  const bool is_named = !trim(recipient.remote_name).empty();
  fields.fact("Remote-MTA", "dns; ", is_named ? recipient.remote_name : recipient.remote_ip);
  if (with_extras) {
    fields.fact("Remote-MTA", "X-ip; ", recipient.remote_ip);
    fields.extra("X-Remote-MTA-smtp-greeting", recipient.greeting);
    fields.extra("X-Remote-MTA-helo-response", recipient.helo_reply);
    fields.extra("X-Exim-Diagnostic", recipient.text);
  }
  fields.diagnostic(recipient.reply);
}

void write_recipient(FieldWriter& fields, const ReportFacts& facts,
                     const ReportedRecipient& recipient) {
  // RFC 6533 3: an address with UTF-8 has a type of its own.
  const bool is_utf8_address = facts.smtputf8 && has_8bit(recipient.address);
  write_original_recipient(fields, recipient.orcpt);
  fields.fact("Action", "", action_row(recipient.action).name);
  fields.fact("Final-Recipient", is_utf8_address ? "utf-8;" : "rfc822;", recipient.address);
  fields.fact("Status", "", recipient_status(recipient));
  write_remote(fields, recipient, facts.kind == ReportKind::failure);
  if (recipient.action == Action::delayed && recipient.retry_until.micros != 0) {
    fields.fact("Will-Retry-Until", "", format_rfc5322_time(recipient.retry_until, facts.utc));
  }
}

}  // namespace

std::string recipient_status(const ReportedRecipient& recipient) {
  const std::string_view classes = action_row(recipient.action).classes;
  if (is_status(recipient.status, classes)) return recipient.status;
  const std::string_view reply = recipient.reply;
  if (reply.size() > 4) {
    const std::string_view rest = reply.substr(4);
    const std::string_view word = rest.substr(0, rest.find_first_of(" \t\r\n"));
    if (is_status(word, classes)) return std::string(word);
  }
  return std::string(classes.substr(0, 1)) + ".0.0";
}

std::string status_part(const ReportFacts& facts) {
  std::string out;
  FieldWriter fields(out, facts.smtputf8);
  fields.fact("Reporting-MTA", "dns; ", facts.reporting_mta);
  const std::optional<std::string> envid = smtp::decode_xtext(facts.original_envid);
  fields.fact("Original-Envelope-ID", "", envid ? std::string_view(*envid) : facts.original_envid);
  if (facts.original_received.micros != 0) {
    fields.fact("Arrival-Date", "", format_rfc5322_time(facts.original_received, facts.utc));
  }
  for (const ReportedRecipient& recipient : facts.recipients) {
    out += kLineEnd;
    write_recipient(fields, facts, recipient);
  }
  return out;
}

}  // namespace godwit::report
