#include "bench/source/options.h"

#include "bench/common/process.h"
#include "bench/common/token.h"
#include "core/base/ascii.h"

#include <array>

namespace godwit::bench {
namespace {

using Options = SourceOptions;

constexpr uint64_t kMessagesMax = 1'000'000'000;
constexpr uint64_t kRecipientsMax = 100'000;
constexpr uint64_t kPipelineMax = 100'002;
constexpr uint64_t kBodyBytesMax = 512 * 1024 * 1024;

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

Result<void> set_length(Options& options, std::string_view value) {
  const Result<uint64_t> bytes = parse_size(value);
  if (!bytes) return bytes.error();
  if (*bytes > kBodyBytesMax) return Error(Errc::invalid_argument, "more than 512m");
  options.length = *bytes;
  return {};
}
Result<void> set_messages(Options& options, std::string_view value) {
  options.messages_given = true;
  return set_count<&Options::messages, 1, kMessagesMax>(options, value);
}
Result<void> set_chunk(Options& options, std::string_view value) {
  const Result<uint64_t> bytes = parse_size(value);
  if (!bytes) return bytes.error();
  options.bdat = true;
  options.bdat_chunk = *bytes;
  return {};
}
Result<void> set_sizes(Options& options, std::string_view value) {
  Result<std::vector<SizeWeight>> sizes = parse_sizes(value);
  if (!sizes) return sizes.error();
  options.sizes = std::move(*sizes);
  return {};
}
Result<void> set_rate(Options& options, std::string_view value) {
  const Result<int64_t> micro_rate = parse_seconds(value);
  if (!micro_rate || *micro_rate == 0)
    return Error(Errc::invalid_argument, "wants messages a second, more than 0");
  options.rate = static_cast<double>(*micro_rate) / 1e6;
  return {};
}
Result<void> set_from(Options& options, std::string_view value) {
  while (!value.empty()) {
    const size_t comma = value.find(',');
    const Result<IpAddress> address = IpAddress::parse(value.substr(0, comma));
    if (!address) return address.error();
    options.from.push_back(*address);
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
  }
  return {};
}
Result<void> set_proxy(Options& options, std::string_view value) {
  const Result<TargetText> text = parse_target(value);
  if (!text) return text.error();
  const Result<IpAddress> address = IpAddress::parse(text->host);
  if (!address) return address.error();
  options.proxy = Endpoint{*address, text->port};
  return {};
}

constexpr std::array kRows{
    OptionRow<Options>{{'4', "", "", "connect with IPv4"}, &set_family<Family::v4>},
    OptionRow<Options>{{'6', "", "", "connect with IPv6"}, &set_family<Family::v6>},
    OptionRow<Options>{{'A', "keep-going", "", "go on after an unexpected reply"},
                       &set_flag<&Options::keep_going>},
    OptionRow<Options>{{'c', "counter", "", "show a running count of finished messages"},
                       &set_flag<&Options::show_counter>},
    OptionRow<Options>{{'C', "connect-tries", "N", "tries where a connection is refused (1)"},
                       &set_count<&Options::connect_tries, 1, 1000>},
    OptionRow<Options>{{'d', "reuse", "", "send the next message over the same connection"},
                       &set_flag<&Options::reuse>},
    OptionRow<Options>{{'f', "sender", "ADDRESS", "sender (foo@ this machine)"},
                       &set_text<&Options::sender>},
    OptionRow<Options>{{'F', "file", "FILE", "send this message, headers and body"},
                       &set_text<&Options::message_file>},
    OptionRow<Options>{{'l', "length", "BYTES", "size of the body"}, &set_length},
    OptionRow<Options>{{'L', "lmtp", "", "speak LMTP"}, &set_flag<&Options::lmtp>},
    OptionRow<Options>{{'m', "messages", "N", "messages in total (1)"}, &set_messages},
    OptionRow<Options>{{'M', "hello", "NAME", "name in EHLO and in default addresses"},
                       &set_text<&Options::hello>},
    OptionRow<Options>{{'N', "number-recipients", "", "a new number before each recipient"},
                       &set_flag<&Options::number_recipients>},
    OptionRow<Options>{{'o', "old-mode", "", "no EHLO and no headers"},
                       &set_flag<&Options::old_mode>},
    OptionRow<Options>{{'r', "recipients", "N", "recipients of a message (1)"},
                       &set_count<&Options::recipients, 1, kRecipientsMax>},
    OptionRow<Options>{{'R', "random-pause", "SECONDS", "random pause between messages, 0 to this"},
                       &set_time<&Options::random_pause_micros>},
    OptionRow<Options>{{'s', "sessions", "N", "sessions at the same time (1)"},
                       &set_count<&Options::sessions, 1, kTokenSessionsMax>},
    OptionRow<Options>{{'S', "subject", "TEXT", "subject line"}, &set_text<&Options::subject>},
    OptionRow<Options>{{'t', "recipient", "ADDRESS", "recipient (foo@ this machine)"},
                       &set_text<&Options::recipient>},
    OptionRow<Options>{{'T', "window", "BYTES", "socket buffers"},
                       &set_count<&Options::window, 1, 65535>},
    OptionRow<Options>{{'v', "verbose", "", "show the dialogue on standard error"},
                       &set_flag<&Options::verbose>},
    OptionRow<Options>{{'w', "pause", "SECONDS", "fixed pause between messages"},
                       &set_time<&Options::pause_micros>},
    OptionRow<Options>{{0, "pipeline", "DEPTH", "commands sent before their replies came (1)"},
                       &set_count<&Options::pipeline, 1, kPipelineMax>},
    OptionRow<Options>{{0, "bdat", "", "send messages with BDAT, in one chunk"},
                       &set_flag<&Options::bdat>},
    OptionRow<Options>{{0, "bdat-chunk", "BYTES", "the same, in chunks of this size"}, &set_chunk},
    OptionRow<Options>{{0, "corpus", "FOLDER", "send the files of a folder, chosen at random"},
                       &set_text<&Options::corpus>},
    OptionRow<Options>{{0, "sizes", "LIST", "bodies by weight: 4096:90,64k:9,1m:1"}, &set_sizes},
    OptionRow<Options>{{0, "rate", "N",
                        "start N messages a second, come what may; latencies count "
                        "from the scheduled time"},
                       &set_rate},
    OptionRow<Options>{{0, "warm-up", "SECONDS", "leave the first seconds out of the result"},
                       &set_time<&Options::warm_up_micros>},
    OptionRow<Options>{{0, "duration", "SECONDS", "end after this time"},
                       &set_time<&Options::duration_micros>},
    OptionRow<Options>{{0, "hold", "SECONDS", "open all sessions, stay idle so long, leave"},
                       &set_time<&Options::hold_micros>},
    OptionRow<Options>{{0, "time-limit", "SECONDS", "give up after this time (600)"},
                       &set_time<&Options::time_limit_micros>},
    OptionRow<Options>{{0, "timeout", "SECONDS", "wait so long for a reply (300)"},
                       &set_time<&Options::reply_timeout_micros>},
    OptionRow<Options>{{0, "from", "ADDRESSES", "local addresses, joined with commas"}, &set_from},
    OptionRow<Options>{{0, "proxy", "ADDRESS:PORT", "begin with a PROXY v2 header of this client"},
                       &set_proxy},
    OptionRow<Options>{{0, "ledger", "FILE", "append a line for each message"},
                       &set_text<&Options::ledger>},
    OptionRow<Options>{{0, "json", "FILE", "write the result"}, &set_text<&Options::json>},
    OptionRow<Options>{{0, "quiet", "", "print no result"}, &set_flag<&Options::quiet>},
    OptionRow<Options>{{0, "progress", "", "a progress line even where stderr is no terminal"},
                       &set_flag<&Options::progress>},
    OptionRow<Options>{{0, "no-token", "", "messages without the token header"},
                       &set_flag<&Options::no_token>},
    OptionRow<Options>{{0, "seed", "N", "of everything random (1)"},
                       &set_count<&Options::seed, 0, UINT64_MAX>},
    OptionRow<Options>{
        {0, "tls", "", "begin TLS with STARTTLS, with any certificate; sessions are resumed"},
        &set_flag<&Options::tls>},
    OptionRow<Options>{{0, "allow-non-loopback", "", "allow a target that is not this machine"},
                       &set_flag<&Options::allow_non_loopback>},
    OptionRow<Options>{{'h', "help", "", "this text"}, &set_flag<&Options::help>},
};

Result<void> apply_rules(Options& options) {
  if (options.hello.empty()) options.hello = machine_name();
  if (options.sender.empty()) options.sender = "foo@" + options.hello;
  if (options.sender == "<>") options.sender.clear();
  if (options.recipient.empty()) options.recipient = "foo@" + options.hello;
  const int contents = (options.message_file.empty() ? 0 : 1) + (options.corpus.empty() ? 0 : 1) +
                       (options.sizes.empty() ? 0 : 1) + (options.length ? 1 : 0);
  if (contents > 1)
    return Error(Errc::invalid_argument, "only one of -F, -l, --corpus and --sizes");
  if (options.old_mode) options.no_token = true;
  if (options.no_token && !options.ledger.empty())
    return Error(Errc::invalid_argument, "a ledger needs the token header");
  if (options.bdat && options.old_mode)
    return Error(Errc::invalid_argument, "BDAT needs EHLO, which -o leaves out");
  if (options.tls && options.old_mode)
    return Error(Errc::invalid_argument, "TLS needs EHLO, which -o leaves out");
  if (options.time_limit_micros == 0)
    return Error(Errc::invalid_argument, "--time-limit must be more than 0");
  if (options.duration_micros > 0 && !options.messages_given) options.messages = kMessagesMax;
  if (options.duration_micros >= options.time_limit_micros)
    options.time_limit_micros = options.duration_micros + 60'000'000;
  return {};
}

}  // namespace

Result<SourceOptions> parse_source_options(std::span<const std::string_view> arguments) {
  SourceOptions options;
  const Result<std::vector<std::string_view>> words =
      parse_options(std::span<const OptionRow<Options>>(kRows), arguments, options);
  if (!words) return words.error();
  if (options.help) return options;
  if (words->size() != 1) return Error(Errc::invalid_argument, "wants one target");
  const Result<TargetText> target = parse_target(words->front());
  if (!target) return target.error();
  options.target = *target;
  if (options.target.host.empty() && options.target.unix_path.empty())
    return Error(Errc::invalid_argument, "the target has no host");
  const Result<void> ruled = apply_rules(options);
  if (!ruled) return ruled.error();
  return options;
}

std::string source_help() {
  return "usage: smtp-source [options] [inet:]host[:port] | unix:path\n"
         "Sends test messages over SMTP and measures how long each step takes.\n" +
         help_text(names_of(std::span<const OptionRow<Options>>(kRows)));
}

Result<std::vector<SizeWeight>> parse_sizes(std::string_view text) {
  std::vector<SizeWeight> sizes;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const size_t colon = item.find(':');
    const Result<uint64_t> bytes = parse_size(item.substr(0, colon));
    if (!bytes) return bytes.error();
    SizeWeight row{*bytes, 1};
    if (row.bytes > kBodyBytesMax) return Error(Errc::invalid_argument, "more than 512m");
    if (colon != std::string_view::npos) {
      const Result<uint64_t> weight = parse_count(item.substr(colon + 1), 1, 1'000'000);
      if (!weight) return weight.error();
      row.weight = *weight;
    }
    sizes.push_back(row);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  if (sizes.empty()) return Error(Errc::invalid_argument, "an empty list of sizes");
  return sizes;
}

}  // namespace godwit::bench
