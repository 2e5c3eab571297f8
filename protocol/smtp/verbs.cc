#include "protocol/smtp/verbs.h"

#include "core/base/ascii.h"

#include <algorithm>
#include <array>

namespace godwit::smtp {
namespace {

// clang-format off
constexpr std::array kVerbs{
    //      name        verb            argument            sync              non-mail
    VerbRow{"AUTH",     Verb::auth,     Argument::required, Sync::free,       NonMail::after_first_ever, "authentication (RFC 4954)"},
    VerbRow{"BDAT",     Verb::bdat,     Argument::required, Sync::free,       NonMail::never, "a chunk of a message (RFC 3030)"},
    VerbRow{"DATA",     Verb::data,     Argument::none,     Sync::ends_group, NonMail::never, "a message, up to a line with one dot"},
    VerbRow{"EHLO",     Verb::ehlo,     Argument::required, Sync::ends_group, NonMail::after_first, "the client's name; shows the extensions"},
    VerbRow{"ETRN",     Verb::etrn,     Argument::optional, Sync::ends_group, NonMail::always, "deliver what waits for a domain (RFC 1985)"},
    VerbRow{"EXPN",     Verb::expn,     Argument::optional, Sync::ends_group, NonMail::always, "expand a mailing list"},
    VerbRow{"HELO",     Verb::helo,     Argument::required, Sync::ends_group, NonMail::after_first, "the client's name, without extensions"},
    VerbRow{"HELP",     Verb::help,     Argument::optional, Sync::free,       NonMail::always, "a line about this server"},
    VerbRow{"MAIL",     Verb::mail,     Argument::required, Sync::pipelined,  NonMail::never, "the sender; begins a transaction"},
    VerbRow{"NOOP",     Verb::noop,     Argument::optional, Sync::ends_group, NonMail::always, "nothing"},
    VerbRow{"QUIT",     Verb::quit,     Argument::none,     Sync::free,       NonMail::never, "the end of the session"},
    VerbRow{"RCPT",     Verb::rcpt,     Argument::required, Sync::pipelined,  NonMail::never, "a recipient"},
    VerbRow{"RSET",     Verb::rset,     Argument::none,     Sync::pipelined,  NonMail::after_first, "the end of a transaction"},
    VerbRow{"STARTTLS", Verb::starttls, Argument::none,     Sync::ends_group, NonMail::after_first, "TLS from here on (RFC 3207)"},
    VerbRow{"VRFY",     Verb::vrfy,     Argument::optional, Sync::ends_group, NonMail::always, "verify an address"},
    VerbRow{"",         Verb::unknown,  Argument::optional, Sync::free,       NonMail::never, "anything else"},
};
// clang-format on

constexpr bool rows_cover_verbs() {
  for (size_t n = 0; n < kVerbs.size(); ++n) {
    if (static_cast<size_t>(kVerbs[n].verb) != n) return false;
  }
  return kVerbs.size() == static_cast<size_t>(Verb::unknown) + 1;
}
static_assert(rows_cover_verbs());
static_assert(std::ranges::is_sorted(kVerbs.begin(), kVerbs.end() - 1, {}, &VerbRow::name));

// "MAIL FROM:" and "RCPT TO:": blanks may surround the colon, as Exim has it. False where the word
// is missing: "MAIL <a@b>" is no command.
bool strip_word(std::string_view& argument, std::string_view word) noexcept {
  if (!starts_with_ignore_case(argument, word)) return false;
  const std::string_view rest = trim_left(argument.substr(word.size()));
  if (rest.empty() || rest.front() != ':') return false;
  argument = trim_left(rest.substr(1));
  return true;
}

}  // namespace

const VerbRow& verb_row(Verb verb) noexcept {
  return kVerbs[static_cast<size_t>(verb)];
}

std::span<const VerbRow> verb_rows() noexcept {
  return std::span(kVerbs).first(kVerbs.size() - 1);
}

const VerbRow& find_verb(std::string_view line, std::string_view& argument) noexcept {
  line = trim_right(line);
  const size_t end = line.find_first_of(" \t");
  const std::string_view name = line.substr(0, end);
  argument = end == std::string_view::npos ? std::string_view() : trim_left(line.substr(end));
  for (const VerbRow& row : kVerbs) {
    if (row.verb == Verb::unknown || !equals_ignore_case(row.name, name)) continue;
    const bool mail = row.verb == Verb::mail;
    if ((mail || row.verb == Verb::rcpt) && !strip_word(argument, mail ? "FROM" : "TO")) break;
    return row;
  }
  return verb_row(Verb::unknown);
}

}  // namespace godwit::smtp
