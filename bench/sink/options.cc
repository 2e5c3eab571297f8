#include "bench/sink/options.h"

#include "core/base/ascii.h"

#include <array>

namespace godwit::bench {
namespace {

using Options = SinkOptions;

constexpr uint64_t kCountMax = 1'000'000'000;
constexpr uint64_t kBacklogMax = 65'535;

struct VerbRow {
  std::string_view name;
  Verb verb;
};
constexpr std::array kVerbNames{
    VerbRow{"MAIL", Verb::mail},         VerbRow{"RCPT", Verb::rcpt},
    VerbRow{"DATA", Verb::data},         VerbRow{"EHLO", Verb::ehlo},
    VerbRow{"QUIT", Verb::quit},         VerbRow{"BDAT", Verb::bdat},
    VerbRow{"RSET", Verb::rset},         VerbRow{"HELO", Verb::helo},
    VerbRow{"LHLO", Verb::lhlo},         VerbRow{"NOOP", Verb::noop},
    VerbRow{"VRFY", Verb::vrfy},         VerbRow{"AUTH", Verb::auth},
    VerbRow{"XCLIENT", Verb::xclient},   VerbRow{"XFORWARD", Verb::xforward},
    VerbRow{"CONNECT", Verb::connect},   VerbRow{".", Verb::end_of_message},
    VerbRow{"STARTTLS", Verb::starttls},
};

template <auto Member>
Result<void> set_flag(Options& options, std::string_view) {
  options.*Member = true;
  return {};
}
template <auto Member>
Result<void> set_text(Options& options, std::string_view value) {
  options.*Member = std::string(value);
  return {};
}
template <auto Member>
Result<void> set_time(Options& options, std::string_view value) {
  const Result<int64_t> micros = parse_seconds(value);
  if (!micros) return micros.error();
  options.*Member = *micros;
  return {};
}
template <auto Member, uint64_t Least, uint64_t Most>
Result<void> set_count(Options& options, std::string_view value) {
  const Result<uint64_t> count = parse_count(value, Least, Most);
  if (!count) return count.error();
  options.*Member = *count;
  return {};
}
template <Family Value>
Result<void> set_family(Options& options, std::string_view) {
  options.family = Value;
  return {};
}

Result<Verb> parse_verb(std::string_view name) {
  const Verb verb = verb_of(name);
  if (verb != Verb::unknown) return verb;
  return Error(Errc::invalid_argument, "\"" + std::string(name) + "\" is no command");
}

// Names separated by white space or commas.
template <auto Member, bool HidesPipelining>
Result<void> set_verbs(Options& options, std::string_view value) {
  constexpr std::string_view kSeparators = ", \t\r\n";
  for (;;) {
    const size_t begin = value.find_first_not_of(kSeparators);
    if (begin == std::string_view::npos) break;
    value.remove_prefix(begin);
    const size_t end = value.find_first_of(kSeparators);
    const Result<Verb> verb = parse_verb(value.substr(0, end));
    if (!verb) return verb.error();
    (options.*Member).add(*verb);
    value = end == std::string_view::npos ? std::string_view() : value.substr(end);
  }
  if (HidesPipelining) options.hide_pipelining = true;
  return {};
}

Result<void> set_pix(Options& options, std::string_view) {
  options.pose_as_pix = true;
  options.hide_esmtp = true;
  return {};
}
Result<void> set_data_delay(Options& options, std::string_view value) {
  const Result<int64_t> micros = parse_seconds(value);
  if (!micros) return micros.error();
  options.delays[static_cast<size_t>(Verb::data)] = {*micros, 0};
  return {};
}
Result<void> set_delay(Options& options, std::string_view value) {
  const size_t first = value.find(':');
  if (first == std::string_view::npos)
    return Error(Errc::invalid_argument, "wants command:seconds[:odds]");
  const Result<Verb> verb = parse_verb(value.substr(0, first));
  if (!verb) return verb.error();
  const std::string_view rest = value.substr(first + 1);
  const size_t second = rest.find(':');
  const Result<int64_t> micros = parse_seconds(rest.substr(0, second));
  if (!micros) return micros.error();
  VerbDelay delay{*micros, 0};
  if (second != std::string_view::npos) {
    const Result<uint64_t> odds = parse_count(rest.substr(second + 1), 1, 99);
    if (!odds) return odds.error();
    delay.odds = *odds;
  }
  options.delays[static_cast<size_t>(*verb)] = delay;
  return {};
}

// \a \b \f \n \r \t \v, \ddd with up to three octal digits, and \\ for itself.
Result<void> set_start(Options& options, std::string_view value) {
  constexpr std::string_view kLetters = "abfnrtv\\";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\";
  options.dump_start.clear();
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '\\' || i + 1 == value.size()) {
      options.dump_start += value[i];
      continue;
    }
    const size_t letter = kLetters.find(value[++i]);
    if (letter != std::string_view::npos) {
      options.dump_start += kMeanings[letter];
      continue;
    }
    int code = 0;
    size_t digits = 0;
    while (digits < 3 && i + digits < value.size() && value[i + digits] >= '0' &&
           value[i + digits] <= '7') {
      code = code * 8 + (value[i + digits++] - '0');
    }
    if (digits == 0) return Error(Errc::invalid_argument, "unknown escape sequence");
    options.dump_start += static_cast<char>(code);
    i += digits - 1;
  }
  return {};
}

constexpr std::array kRows{
    OptionRow<Options>{{'4', "", "", "IPv4 only"}, &set_family<Family::v4>},
    OptionRow<Options>{{'6', "", "", "IPv6 only"}, &set_family<Family::v6>},
    OptionRow<Options>{{'8', "no-8bitmime", "", "do not announce 8BITMIME"},
                       &set_flag<&Options::hide_8bitmime>},
    OptionRow<Options>{{'a', "no-auth", "", "do not announce AUTH"},
                       &set_flag<&Options::hide_auth>},
    OptionRow<Options>{{'A', "abort-after-data", "SECONDS",
                        "so long after the reply to DATA, 550 and the end; nothing is read"},
                       &set_time<&Options::abort_after_data_micros>},
    OptionRow<Options>{{'b', "soft-reply", "TEXT", "reply for -r"},
                       &set_text<&Options::soft_reply>},
    OptionRow<Options>{{'B', "hard-reply", "TEXT", "reply for -f"},
                       &set_text<&Options::hard_reply>},
    OptionRow<Options>{{'c', "counters", "", "show running counts"},
                       &set_flag<&Options::show_counters>},
    OptionRow<Options>{{'C', "no-xclient", "", "no XCLIENT"}, &set_flag<&Options::hide_xclient>},
    OptionRow<Options>{{'d', "dump", "TEMPLATE", "a file a message: strftime(3) and a number"},
                       &set_text<&Options::dump_file>},
    OptionRow<Options>{{'D', "dump-append", "TEMPLATE", "append messages to this file"},
                       &set_text<&Options::dump_append>},
    OptionRow<Options>{{'e', "no-esmtp", "", "do not announce ESMTP"},
                       &set_flag<&Options::hide_esmtp>},
    OptionRow<Options>{{'E', "no-enhanced", "", "no enhanced status codes"},
                       &set_flag<&Options::hide_enhanced>},
    OptionRow<Options>{{'f', "hard", "COMMANDS", "refuse these for good (and hide PIPELINING)"},
                       &set_verbs<&Options::hard, true>},
    OptionRow<Options>{{'F', "no-xforward", "", "no XFORWARD"}, &set_flag<&Options::hide_xforward>},
    OptionRow<Options>{{'h', "hostname", "NAME", "name in the greeting (smtp-sink)"},
                       &set_text<&Options::hostname>},
    OptionRow<Options>{{'H', "stall-after-data", "SECONDS", "read nothing so long after DATA"},
                       &set_time<&Options::stall_after_data_micros>},
    OptionRow<Options>{{'L', "lmtp", "", "speak LMTP"}, &set_flag<&Options::lmtp>},
    OptionRow<Options>{{'m', "at-once", "N", "connections served at the same time (256)"},
                       &set_count<&Options::sessions_at_once, 1, kCountMax>},
    OptionRow<Options>{{'M', "messages", "N", "end after so many messages"},
                       &set_count<&Options::messages, 1, kCountMax>},
    OptionRow<Options>{{'n', "sessions", "N", "end after so many sessions"},
                       &set_count<&Options::sessions, 1, kCountMax>},
    OptionRow<Options>{{'N', "no-dsn", "", "do not announce DSN"}, &set_flag<&Options::hide_dsn>},
    OptionRow<Options>{{'p', "no-pipelining", "", "do not announce PIPELINING"},
                       &set_flag<&Options::hide_pipelining>},
    OptionRow<Options>{{'P', "pix", "", "greet like a Cisco PIX (and hide ESMTP)"}, &set_pix},
    OptionRow<Options>{{'q', "drop", "COMMANDS", "close without a reply after these"},
                       &set_verbs<&Options::drop_silently, false>},
    OptionRow<Options>{{'Q', "drop-421", "COMMANDS", "421 and close after these"},
                       &set_verbs<&Options::drop_with_421, false>},
    OptionRow<Options>{{'r', "soft", "COMMANDS", "refuse these for now (and hide PIPELINING)"},
                       &set_verbs<&Options::soft, true>},
    OptionRow<Options>{{'R', "root", "FOLDER", "change the root folder"},
                       &set_text<&Options::root>},
    OptionRow<Options>{{'s', "syslog", "COMMANDS", "log these with syslog(3)"},
                       &set_verbs<&Options::syslog, false>},
    OptionRow<Options>{{'S', "dump-start", "TEXT", "put this before each dumped message"},
                       &set_start},
    OptionRow<Options>{{'t', "timeout", "SECONDS", "for a command or a reply (100)"},
                       &set_time<&Options::timeout_micros>},
    OptionRow<Options>{{'T', "window", "BYTES", "socket buffers"},
                       &set_count<&Options::window, 1, 65535>},
    OptionRow<Options>{{'u', "user", "NAME", "become this user once the socket is open"},
                       &set_text<&Options::user>},
    OptionRow<Options>{{'v', "verbose", "", "show the dialogue on standard error"},
                       &set_flag<&Options::verbose>},
    OptionRow<Options>{{'w', "data-delay", "SECONDS", "wait before the reply to DATA"},
                       &set_data_delay},
    OptionRow<Options>{{'W', "delay", "COMMAND:SECONDS[:ODDS]",
                        "wait before the reply to a command; with odds, a random number of times"},
                       &set_delay},
    OptionRow<Options>{{0, "no-chunking", "", "do not announce CHUNKING"},
                       &set_flag<&Options::hide_chunking>},
    OptionRow<Options>{{0, "no-size", "", "do not announce SIZE"}, &set_flag<&Options::hide_size>},
    OptionRow<Options>{{0, "no-smtputf8", "", "do not announce SMTPUTF8"},
                       &set_flag<&Options::hide_smtputf8>},
    OptionRow<Options>{{0, "tls", "", "offer STARTTLS, with a certificate made for this run"},
                       &set_flag<&Options::tls>},
    OptionRow<Options>{{0, "link-delay", "SECONDS", "every byte takes so long, in each direction"},
                       &set_time<&Options::link_delay_micros>},
    OptionRow<Options>{{0, "size-max", "BYTES", "announce and enforce this limit"},
                       &set_count<&Options::size_max, 1, UINT64_MAX>},
    OptionRow<Options>{{0, "time-limit", "SECONDS", "end after this time (3600)"},
                       &set_time<&Options::time_limit_micros>},
    OptionRow<Options>{{0, "idle-exit", "SECONDS", "end so long after the last message"},
                       &set_time<&Options::idle_exit_micros>},
    OptionRow<Options>{{0, "ledger", "FILE", "append a line for each message"},
                       &set_text<&Options::ledger>},
    OptionRow<Options>{{0, "json", "FILE", "write the result at the end"},
                       &set_text<&Options::json>},
    OptionRow<Options>{{0, "progress", "", "a progress line each second"},
                       &set_flag<&Options::progress>},
    OptionRow<Options>{{0, "seed", "N", "of everything random (1)"},
                       &set_count<&Options::seed, 0, UINT64_MAX>},
    OptionRow<Options>{{0, "allow-non-loopback", "", "allow an address that others can reach"},
                       &set_flag<&Options::allow_non_loopback>},
    OptionRow<Options>{{0, "help", "", "this text"}, &set_flag<&Options::help>},
};

}  // namespace

Verb verb_of(std::string_view name) noexcept {
  for (const VerbRow& row : kVerbNames) {
    if (equals_ignore_case(row.name, name)) return row.verb;
  }
  return Verb::unknown;
}

Result<SinkOptions> parse_sink_options(std::span<const std::string_view> arguments) {
  SinkOptions options;
  const Result<std::vector<std::string_view>> words =
      parse_options(std::span<const OptionRow<Options>>(kRows), arguments, options);
  if (!words) return words.error();
  if (options.help) return options;
  if (words->empty() || words->size() > 2)
    return Error(Errc::invalid_argument, "wants an address and perhaps a backlog");
  const Result<TargetText> listen = parse_target(words->front());
  if (!listen) return listen.error();
  options.listen = *listen;
  if (listen->unix_path.empty() && listen->port == 0)
    return Error(Errc::invalid_argument, "the address has no port");
  if (words->size() == 2) {
    const Result<uint64_t> backlog = parse_count(words->back(), 1, kBacklogMax);
    if (!backlog) return backlog.error();
    options.backlog = static_cast<int>(*backlog);
  }
  if (options.tls && options.link_delay_micros > 0)
    return Error(Errc::invalid_argument, "only one of --tls and --link-delay");
  if (options.time_limit_micros == 0)
    return Error(Errc::invalid_argument, "--time-limit must be more than 0");
  return options;
}

std::string sink_help() {
  return "usage: smtp-sink [options] [inet:][host]:port [backlog] | unix:path [backlog]\n"
         "Takes messages over SMTP, checks them and throws them away.\n" +
         help_text(names_of(std::span<const OptionRow<Options>>(kRows)));
}

}  // namespace godwit::bench
