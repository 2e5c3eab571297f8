#include "protocol/smtp/extensions.h"

#include "core/base/ascii.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/reply.h"

namespace godwit::smtp {
namespace {

// clang-format off
constexpr std::array<ExtensionRow, kExtensionCount> kRows{{
    //            extension                          keyword                offered by the server
    ExtensionRow{Extension::size,                    "SIZE",                true, "message sizes are told and limited (RFC 1870)"},
    ExtensionRow{Extension::limits,                  "LIMITS",              true, "messages and recipients a connection (RFC 9422)"},
    ExtensionRow{Extension::eight_bit_mime,          "8BITMIME",            true, "bodies with eight bits (RFC 6152)"},
    ExtensionRow{Extension::dsn,                     "DSN",                 true, "reports as the sender asks (RFC 3461)"},
    ExtensionRow{Extension::etrn,                    "ETRN",                true, "the command ETRN"},
    ExtensionRow{Extension::vrfy,                    "VRFY",                true, "the command VRFY"},
    ExtensionRow{Extension::expn,                    "EXPN",                true, "the command EXPN"},
    ExtensionRow{Extension::pipelining,              "PIPELINING",          true, "commands without waiting (RFC 2920)"},
    ExtensionRow{Extension::pipe_connect,            "PIPECONNECT",         true, "commands with the connection"},
    ExtensionRow{Extension::auth,                    "AUTH",                true, "authentication (RFC 4954)"},
    ExtensionRow{Extension::chunking,                "CHUNKING",            true, "the command BDAT (RFC 3030)"},
    ExtensionRow{Extension::starttls,                "STARTTLS",            true, "TLS (RFC 3207)"},
    ExtensionRow{Extension::xclient,                 "XCLIENT",             true, "a proxy tells of its client"},
    ExtensionRow{Extension::prdr,                    "PRDR",                true, "a reply for each recipient after the data"},
    ExtensionRow{Extension::smtputf8,                "SMTPUTF8",            true, "addresses in UTF-8 (RFC 6531)"},
    ExtensionRow{Extension::enhanced_status_codes,   "ENHANCEDSTATUSCODES", true, "replies with enhanced codes (RFC 2034)"},
    ExtensionRow{Extension::help,                    "HELP",                true, "the command HELP"},
    ExtensionRow{Extension::binary_mime,             "BINARYMIME",          false, "binary bodies (RFC 3030)"},
    ExtensionRow{Extension::ignore_quota,            "IGNOREQUOTA",         false, "LMTP: over quota is no reason to refuse"},
}};
// clang-format on

constexpr bool rows_cover_extensions() {
  for (size_t n = 0; n < kRows.size(); ++n) {
    if (static_cast<size_t>(kRows[n].extension) != n) return false;
  }
  return true;
}
static_assert(rows_cover_extensions());

void append_number(std::string& out, std::string_view name, uint64_t value) {
  if (value == 0) return;
  out.append(" ").append(name);
  append_decimal(out, value);
}

void append_keyword(std::string& out, const ExtensionRow& row, const Offer& offer) {
  out.append("\n").append(row.keyword);
  switch (row.extension) {
    case Extension::size:
      append_number(out, "", offer.size_limit);
      break;
    case Extension::limits:
      append_number(out, "MAILMAX=", offer.mail_max);
      append_number(out, "RCPTMAX=", offer.rcpt_max);
      break;
    case Extension::auth:
      out.append(" ").append(offer.auth);
      break;
    case Extension::xclient:
      out.append(" ").append(offer.xclient);
      break;
    default:
      break;
  }
}

// A keyword without anything to say is left out.
bool is_offered(const ExtensionRow& row, const Offer& offer) noexcept {
  if (!row.offered_by_server || !offer.extensions.has(row.extension)) return false;
  if (row.extension == Extension::limits) return offer.mail_max != 0 || offer.rcpt_max != 0;
  if (row.extension == Extension::auth) return !offer.auth.empty();
  return true;
}

uint32_t small_number(std::string_view text) noexcept {
  const std::optional<uint64_t> value = parse_decimal(text);
  return value && *value <= UINT32_MAX ? static_cast<uint32_t>(*value) : 0;
}

std::string_view next_word(std::string_view& text) noexcept {
  text = trim_left(text);
  size_t end = 0;
  while (end < text.size() && !is_space(text[end])) ++end;
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// RFC 9422 3: NAME=VALUE pairs; unknown names are skipped.
void read_limits(Capabilities& result, std::string_view values) {
  struct LimitRow {
    std::string_view name;
    uint32_t Capabilities::*field;
  };
  constexpr std::array kLimits{
      LimitRow{"MAILMAX", &Capabilities::mail_max},
      LimitRow{"RCPTMAX", &Capabilities::rcpt_max},
      LimitRow{"RCPTDOMAINMAX", &Capabilities::rcpt_domain_max},
  };
  for (std::string_view word = next_word(values); !word.empty(); word = next_word(values)) {
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    for (const LimitRow& row : kLimits) {
      if (equals_ignore_case(row.name, word.substr(0, equals))) {
        result.*row.field = small_number(word.substr(equals + 1));
      }
    }
  }
}

void read_mechanisms(Capabilities& result, std::string_view values) {
  for (std::string_view word = next_word(values); !word.empty(); word = next_word(values)) {
    if (result.auth_mechanisms.size() >= kAuthMechanismsMax) return;
    result.auth_mechanisms.push_back(to_upper(word));
  }
}

void read_keyword(Capabilities& result, std::string_view line) {
  std::string_view keyword = next_word(line);
  // "AUTH=LOGIN" is an old form that some servers print beside the right one.
  constexpr std::string_view kOldAuth = "AUTH=";
  if (starts_with_ignore_case(keyword, kOldAuth)) return;
  for (const ExtensionRow& row : kRows) {
    if (!equals_ignore_case(row.keyword, keyword)) continue;
    result.extensions.set(row.extension);
    if (row.extension == Extension::size) {
      result.size_limit = parse_decimal(next_word(line)).value_or(0);
    } else if (row.extension == Extension::limits) {
      read_limits(result, line);
    } else if (row.extension == Extension::auth) {
      read_mechanisms(result, line);
    }
    return;
  }
}

}  // namespace

const std::array<ExtensionRow, kExtensionCount>& extension_rows() noexcept {
  return kRows;
}

void append_ehlo_reply(std::string& out, std::string_view greeting, const Offer& offer) {
  std::string text(greeting);
  for (const ExtensionRow& row : kRows) {
    if (is_offered(row, offer)) append_keyword(text, row, offer);
  }
  append_reply(out, {250, {}, text}, false);
}

bool Capabilities::justifies(const Capabilities& guess) const noexcept {
  const auto is_as_wide = [](uint64_t now, uint64_t before) {
    return now == 0 || (before != 0 && now >= before);
  };
  // Where TLS has become possible, it is wanted.
  return extensions.contains(guess.extensions) &&
         has(Extension::starttls) == guess.has(Extension::starttls) &&
         is_as_wide(size_limit, guess.size_limit) && is_as_wide(mail_max, guess.mail_max) &&
         is_as_wide(rcpt_max, guess.rcpt_max) && is_as_wide(rcpt_domain_max, guess.rcpt_domain_max);
}

Capabilities parse_capabilities(std::string_view text) {
  Capabilities result;
  size_t end = text.find('\n');
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find('\n');
    read_keyword(result, text.substr(0, end));
  }
  return result;
}

}  // namespace godwit::smtp
