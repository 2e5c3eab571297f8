#include "protocol/smtp/command.h"

#include "core/base/ascii.h"
#include "protocol/message/limits.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/xtext.h"

#include <algorithm>
#include <array>
#include <optional>

namespace godwit::smtp {
namespace {

using message::Utf8;

constexpr uint16_t kSyntax = 501;
constexpr uint16_t kUnknownParameter = 555;  // RFC 5321 4.1.1.11
constexpr std::string_view kNoLocalPart = "missing or malformed local part";
constexpr std::string_view kNoDomain = "domain missing or malformed";
constexpr size_t kUnfitBytesMax = 32;  // that a refusal shows of what does not belong there

ParseFailure failure(ReplyId id) {
  const ReplyView row = named_reply(id);
  return {row.code, row.enhanced, std::string(row.text)};
}

ParseFailure bad_address(std::string_view path, std::string_view enhanced, std::string_view why) {
  std::string text(path);
  text.append(": ").append(why);
  return {kSyntax, enhanced, std::move(text)};
}

// The path and the parameters of an argument, not looked into yet.
struct Split {
  std::string_view path;        // with its brackets, if any
  std::string_view parameters;  // trimmed
};

// The end of the path: the ">" or blank that is outside quotes.
Split split_argument(std::string_view argument) noexcept {
  const size_t angles = std::min(argument.find_first_not_of('<'), argument.size());
  const bool angle = angles > 0;
  bool quoted = false;
  for (size_t at = 0; at < argument.size(); ++at) {
    const char c = argument[at];
    if (c == '\\') {
      ++at;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (angle ? c == '>' : is_blank(c))) {
      size_t end = angle ? at + 1 : at;
      // As many as the path begins with.
      for (size_t n = 1; n < angles && argument.substr(end).starts_with('>'); ++n) ++end;
      return {argument.substr(0, end), trim(argument.substr(end))};
    }
  }
  return {argument, {}};
}

// RFC 5321 4.1.2: "@a,@b:" before the mailbox, accepted and ignored (appendix C).
bool strip_route(std::string_view& mailbox) noexcept {
  if (mailbox.empty() || mailbox.front() != '@') return true;
  const size_t colon = mailbox.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view route = mailbox.substr(0, colon);
  while (!route.empty()) {
    const size_t comma = route.find(',');
    const std::string_view hop = trim(route.substr(0, comma));
    if (hop.size() < 2 || hop.front() != '@' || !message::is_domain(hop.substr(1), Utf8::allowed)) {
      return false;
    }
    route.remove_prefix(comma == std::string_view::npos ? route.size() : comma + 1);
  }
  mailbox.remove_prefix(colon + 1);
  return true;
}

// The reason why `text`, with or without brackets, is no path; empty where it is one.
std::string_view parse_path(std::string_view text, Utf8 utf8, const PathRules& rules, Path& path) {
  std::string_view mailbox = text;
  path.written = text;
  if (!mailbox.empty() && mailbox.front() == '<') {
    if (mailbox.back() != '>' || mailbox.size() < 2) return "'>' missing at end of address";
    mailbox = mailbox.substr(1, mailbox.size() - 2);
    while (rules.strip_brackets && mailbox.size() > 1 && mailbox.front() == '<' &&
           mailbox.back() == '>')
      mailbox = mailbox.substr(1, mailbox.size() - 2);
  }
  if (rules.strip_trailing_dot && mailbox.ends_with('.') && mailbox.rfind('@') < mailbox.size())
    mailbox.remove_suffix(1);
  if (!strip_route(mailbox)) return "malformed source route";
  if (mailbox.empty()) return mailbox.data() == text.data() + 1 ? "" : kNoLocalPart;
  if (mailbox.size() > message::kMailboxBytesMax) return "address is ridiculously long";
  const message::AddressParts parts = message::split_address(mailbox);
  const bool is_quoted = parts.local_part.starts_with('"');
  if (!is_quoted && parts.local_part.find('@') != std::string_view::npos) return kNoDomain;
  if (!message::is_local_part(parts.local_part, utf8)) return kNoLocalPart;
  const bool has_domain = parts.local_part.size() != mailbox.size();
  const Utf8 utf8_domain = rules.utf8_domains ? Utf8::allowed : utf8;
  if (has_domain && parts.domain.starts_with('[') && !rules.literals)
    return "domain literals not allowed";
  if (has_domain && !message::is_domain(parts.domain, utf8_domain) &&
      !message::is_address_literal(parts.domain)) {
    return kNoDomain;
  }
  path = {mailbox, parts.local_part, parts.domain, text};
  return "";
}

struct Parameter {
  std::string_view text;  // "NAME=value"
  std::string_view name;
  std::string_view value;
  bool has_value = false;
};

Parameter next_parameter(std::string_view& parameters) noexcept {
  const size_t end = std::min(parameters.find_first_of(" \t"), parameters.size());
  Parameter found;
  found.text = parameters.substr(0, end);
  const size_t equals = found.text.find('=');
  found.has_value = equals != std::string_view::npos;
  found.name = found.text.substr(0, equals);
  if (found.has_value) found.value = found.text.substr(equals + 1);
  parameters = trim_left(parameters.substr(end));
  return found;
}

// What parameter functions may change and see.
struct MailContext {
  MailCommand& command;
  const Offer& offer;
};
struct RcptContext {
  RcptCommand& command;
  const Offer& offer;
  bool utf8;
};

using Refusal = std::optional<ReplyId>;

Refusal read_size(MailContext& context, std::string_view value) {
  size_t digits = 0;
  while (digits < value.size() && is_digit(value[digits])) ++digits;
  if (digits == 0 || digits != value.size()) return ReplyId::bad_size;
  // A number too big for 64 bits is a size too big for any limit.
  context.command.size = parse_decimal(value).value_or(UINT64_MAX);
  context.command.has_size = true;
  return {};
}

Refusal read_body(MailContext& context, std::string_view value) {
  if (equals_ignore_case(value, "7BIT")) {
    context.command.body = BodyKind::seven_bit;
  } else if (equals_ignore_case(value, "8BITMIME")) {
    context.command.body = BodyKind::eight_bit_mime;
  } else {
    return ReplyId::bad_body;
  }
  return {};
}

Refusal read_smtputf8(MailContext& context, std::string_view) {
  if (!context.offer.extensions.has(Extension::smtputf8)) return ReplyId::smtputf8_not_advertised;
  context.command.smtputf8 = true;
  return {};
}

Refusal read_prdr(MailContext& context, std::string_view) {
  context.command.prdr = context.offer.extensions.has(Extension::prdr);
  return {};
}

Refusal read_ret(MailContext& context, std::string_view value) {
  if (!context.offer.extensions.has(Extension::dsn)) return {};
  if (context.command.ret != DsnReturn::unspecified) return ReplyId::ret_twice;
  if (equals_ignore_case(value, "HDRS")) {
    context.command.ret = DsnReturn::headers;
  } else if (equals_ignore_case(value, "FULL")) {
    context.command.ret = DsnReturn::full;
  } else {
    return ReplyId::bad_ret;
  }
  return {};
}

Refusal read_envid(MailContext& context, std::string_view value) {
  if (!context.offer.extensions.has(Extension::dsn)) return {};
  if (!context.command.envid.empty()) return ReplyId::envid_twice;
  if (value.empty() || value.size() > kEnvidWireBytesMax || !is_xtext(value)) {
    return ReplyId::bad_envid;
  }
  context.command.envid = value;
  return {};
}

Refusal read_auth(MailContext& context, std::string_view value) {
  if (value.empty() || value.size() > kMailAuthWireBytesMax) return ReplyId::bad_auth;
  std::optional<std::string> decoded = decode_xtext(value);
  if (!decoded) return ReplyId::bad_auth;
  context.command.auth = std::move(*decoded);
  context.command.has_auth = true;
  return {};
}

Refusal read_notify(RcptContext& context, std::string_view value) {
  struct NotifyRow {
    std::string_view name;
    NotifyBits bit;
  };
  constexpr std::array kNames{
      NotifyRow{"NEVER", kNotifyNever},
      NotifyRow{"SUCCESS", kNotifySuccess},
      NotifyRow{"FAILURE", kNotifyFailure},
      NotifyRow{"DELAY", kNotifyDelay},
  };
  if (context.command.notify != 0) return ReplyId::notify_twice;
  unsigned bits = 0;
  bool more = true;
  while (more) {
    const size_t comma = value.find(',');
    const std::string_view word = value.substr(0, comma);
    unsigned bit = 0;
    for (const NotifyRow& row : kNames) {
      if (equals_ignore_case(row.name, word)) bit = row.bit;
    }
    if (bit == 0) return ReplyId::bad_notify;
    bits |= bit;
    more = comma != std::string_view::npos;
    if (more) value.remove_prefix(comma + 1);
  }
  // RFC 3461 4.1: NEVER stands alone.
  if ((bits & kNotifyNever) != 0 && bits != kNotifyNever) return ReplyId::bad_notify;
  context.command.notify = static_cast<uint8_t>(bits);
  return {};
}

Refusal read_orcpt(RcptContext& context, std::string_view value) {
  if (!context.command.orcpt.empty()) return ReplyId::orcpt_twice;
  const size_t semicolon = value.find(';');
  if (value.size() > kOrcptWireBytesMax || semicolon == std::string_view::npos || semicolon == 0) {
    return ReplyId::bad_orcpt;
  }
  for (const char c : value.substr(0, semicolon)) {
    if (!message::is_atext(c)) return ReplyId::bad_orcpt;
  }
  const std::string_view address = value.substr(semicolon + 1);
  // RFC 6533 3: with SMTPUTF8 the address may be UTF-8 as it is.
  const bool plain_utf8 = context.utf8 && equals_ignore_case(value.substr(0, semicolon), "utf-8") &&
                          message::is_utf8(address);
  if (address.empty() || (!plain_utf8 && !is_xtext(address))) return ReplyId::bad_orcpt;
  context.command.orcpt = value;
  return {};
}

enum class Value : uint8_t { none, required };
enum class Unoffered : uint8_t { judged_by_reader, unknown };

template <class Context>
struct ParameterRow {
  std::string_view name;
  Extension extension;
  Unoffered unoffered;  // what to do where the extension was not offered
  Value value;
  Refusal (*read)(Context&, std::string_view);
};

// clang-format off
constexpr std::array kMailParameters{
    //                        name        extension                  where not offered            value            reader
    ParameterRow<MailContext>{"AUTH",     Extension::auth,           Unoffered::judged_by_reader, Value::required, read_auth},
    ParameterRow<MailContext>{"BODY",     Extension::eight_bit_mime, Unoffered::unknown,          Value::required, read_body},
    ParameterRow<MailContext>{"ENVID",    Extension::dsn,            Unoffered::judged_by_reader, Value::required, read_envid},
    ParameterRow<MailContext>{"PRDR",     Extension::prdr,           Unoffered::judged_by_reader, Value::none,     read_prdr},
    ParameterRow<MailContext>{"RET",      Extension::dsn,            Unoffered::judged_by_reader, Value::required, read_ret},
    ParameterRow<MailContext>{"SIZE",     Extension::size,           Unoffered::judged_by_reader, Value::required, read_size},
    ParameterRow<MailContext>{"SMTPUTF8", Extension::smtputf8,       Unoffered::judged_by_reader, Value::none,     read_smtputf8},
};
constexpr std::array kRcptParameters{
    ParameterRow<RcptContext>{"NOTIFY",   Extension::dsn,            Unoffered::unknown,          Value::required, read_notify},
    ParameterRow<RcptContext>{"ORCPT",    Extension::dsn,            Unoffered::unknown,          Value::required, read_orcpt},
};
// clang-format on

template <class Context, size_t N>
const ParameterRow<Context>* find_parameter(const std::array<ParameterRow<Context>, N>& rows,
                                            const Offer& offer, const Parameter& parameter) {
  for (const ParameterRow<Context>& row : rows) {
    if (!equals_ignore_case(row.name, parameter.name)) continue;
    const bool is_known =
        offer.extensions.has(row.extension) || row.unoffered == Unoffered::judged_by_reader;
    if (is_known && parameter.has_value == (row.value == Value::required)) return &row;
  }
  return nullptr;
}

// `unfit`: the parameters up to the last that is none.
ParseFailure unfit_parameters(std::string_view argument, const Split& split, std::string_view unfit,
                              bool esmtp) {
  const auto offset = static_cast<size_t>(unfit.data() - argument.data());
  std::string text(argument.substr(0, offset + unfit.size()));
  const bool is_bare_word =
      !split.path.starts_with('<') && split.path.find('@') == std::string::npos;
  if (is_bare_word) {
    text.append(": ").append(kNoLocalPart).append(" (expected word or \"<\")");
    return {kSyntax, "5.5.4", std::move(text)};
  }
  text.append(": malformed address: ").append(unfit.substr(0, kUnfitBytesMax));
  text.append(" may not follow ").append(argument.substr(0, offset));
  return {esmtp ? kUnknownParameter : kSyntax, "5.5.4", std::move(text)};
}

template <class Context, size_t N>
ParseFailure read_parameters(const std::array<ParameterRow<Context>, N>& rows, Context& context,
                             std::string_view argument, const Split& split, bool esmtp) {
  std::string_view rest = split.parameters;
  std::string_view unfit;
  std::optional<ReplyId> refusal;
  for (size_t count = 0; !rest.empty(); ++count) {
    const Parameter parameter = next_parameter(rest);
    const ParameterRow<Context>* found = esmtp && count < kParameterCountMax
                                             ? find_parameter(rows, context.offer, parameter)
                                             : nullptr;
    if (found == nullptr) {
      const auto end = static_cast<size_t>(parameter.text.data() - split.parameters.data());
      unfit = split.parameters.substr(0, end + parameter.text.size());
    } else if (!refusal) {
      refusal = found->read(context, parameter.value);
    }
  }
  if (!unfit.empty()) return unfit_parameters(argument, split, unfit, esmtp);
  if (refusal) return failure(*refusal);
  return {};
}

}  // namespace

bool Path::is_postmaster() const noexcept {
  return equals_ignore_case(address, "postmaster");
}

std::string_view path_part(std::string_view argument) noexcept {
  return split_argument(argument).path;
}

ParseFailure parse_mail(std::string_view argument, const Offer& offer, const PathRules& rules,
                        bool esmtp, MailCommand& command) {
  command = MailCommand();
  if (argument.empty()) return failure(ReplyId::mail_needs_address);
  const Split split = split_argument(argument);
  MailContext context{command, offer};
  if (ParseFailure problem = read_parameters(kMailParameters, context, argument, split, esmtp)) {
    return problem;
  }
  const Utf8 utf8 = command.smtputf8 ? Utf8::allowed : Utf8::refused;
  const std::string_view why = parse_path(split.path, utf8, rules, command.path);
  if (!why.empty()) return bad_address(split.path, "5.1.7", why);
  return {};
}

ParseFailure parse_rcpt(std::string_view argument, const Offer& offer, const PathRules& rules,
                        bool esmtp, bool utf8, RcptCommand& command) {
  command = RcptCommand();
  if (argument.empty()) return failure(ReplyId::rcpt_needs_address);
  const Split split = split_argument(argument);
  RcptContext context{command, offer, utf8};
  if (ParseFailure problem = read_parameters(kRcptParameters, context, argument, split, esmtp)) {
    return problem;
  }
  std::string_view why =
      parse_path(split.path, utf8 ? Utf8::allowed : Utf8::refused, rules, command.path);
  if (why.empty() && command.path.address.empty()) why = kNoLocalPart;
  if (!why.empty()) return bad_address(split.path, "5.1.3", why);
  return {};
}

bool is_helo_name(std::string_view name, const HeloRules& rules) {
  if (name.size() > kHeloNameBytesMax) return false;
  if (rules.accept_junk) return true;
  if (name.empty()) return false;
  if (name.front() == '[') return message::is_address_literal(name);
  for (const char c : name) {
    const bool legal = is_alnum(c) || c == '.' || c == '-' ||
                       rules.more_characters.find(c) != std::string_view::npos;
    if (!legal) return false;
  }
  return true;
}

}  // namespace godwit::smtp
