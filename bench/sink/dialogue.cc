#include "bench/sink/dialogue.h"

#include "core/base/ascii.h"

#include <syslog.h>

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::bench {
namespace {

constexpr size_t kLineBytesMax = 64 * 1024;

// The address in "FROM:<a@b> SIZE=1"; without brackets, the first word.
std::string_view address_in(std::string_view arguments) noexcept {
  const size_t colon = arguments.find(':');
  if (colon != std::string_view::npos) arguments.remove_prefix(colon + 1);
  arguments = trim_left(arguments);
  if (!arguments.starts_with('<')) return arguments.substr(0, arguments.find(' '));
  const size_t end = arguments.rfind('>');
  return end == std::string_view::npos ? arguments.substr(1) : arguments.substr(1, end - 1);
}

std::optional<uint64_t> announced_size(std::string_view arguments) noexcept {
  constexpr std::string_view kParameter = " SIZE=";
  for (size_t at = 0; at + kParameter.size() < arguments.size(); ++at) {
    const std::string_view rest = arguments.substr(at);
    if (!starts_with_ignore_case(rest, kParameter)) continue;
    const std::string_view value = rest.substr(kParameter.size());
    return parse_decimal(value.substr(0, value.find(' ')));
  }
  return std::nullopt;
}

}  // namespace

std::string features_of(const SinkOptions& options, bool offers_tls) {
  struct Row {
    bool hidden;
    std::string line;
  };
  const std::string size = options.size_max == 0 ? "" : " " + std::to_string(options.size_max);
  const std::array rows{
      Row{options.hide_pipelining, "PIPELINING"},
      Row{options.hide_8bitmime, "8BITMIME"},
      Row{!offers_tls, "STARTTLS"},
      Row{options.hide_smtputf8, "SMTPUTF8"},
      Row{options.hide_auth, "AUTH PLAIN LOGIN"},
      Row{options.hide_xclient, "XCLIENT NAME HELO"},
      Row{options.hide_xforward, "XFORWARD NAME ADDR PROTO HELO"},
      Row{options.hide_enhanced, "ENHANCEDSTATUSCODES"},
      Row{options.hide_dsn, "DSN"},
      Row{options.hide_chunking, "CHUNKING"},
      Row{options.hide_size, "SIZE" + size},
  };
  std::string lines = "250-" + options.hostname + "\r\n";
  size_t last_at = 0;
  for (const Row& row : rows) {
    if (row.hidden) continue;
    last_at = lines.size();
    lines += "250-" + row.line + "\r\n";
  }
  lines[last_at + 3] = ' ';
  return lines;
}

SinkDialogue::SinkDialogue(const SinkOptions& options, std::string_view features,
                           MessageTaker& taker, Random& random, std::string client)
    : options_(options),
      features_(features),
      taker_(taker),
      random_(random),
      client_(std::move(client)) {}

SinkDialogue::Next SinkDialogue::begin() {
  return reply(Verb::connect, greeting());
}

SinkDialogue::Next SinkDialogue::feed(std::string_view& input) {
  Next next = Next::input;
  while (!input.empty() && next == Next::input) {
    if (mode_ == Mode::data) {
      next = data_bytes(input);
      continue;
    }
    if (mode_ == Mode::chunk) {
      next = chunk_bytes(input);
      continue;
    }
    const size_t end = input.find('\n');
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
    if (end == std::string_view::npos) {
      partial_.append(line);
      if (partial_.size() <= kLineBytesMax) break;
      output_ += text("500", "5.5.2", "Error: line too long");
      return Next::end;
    }
    if (partial_.empty()) {
      next = command(line);
    } else {
      partial_.append(line);
      const std::string whole = std::move(partial_);
      partial_.clear();
      next = command(whole);
    }
  }
  return next;
}

SinkDialogue::Next SinkDialogue::resume() {
  output_ += held_;
  held_.clear();
  if (ends_after_pause_) return Next::end;
  return std::exchange(starts_tls_, false) ? Next::tls : Next::input;
}

void SinkDialogue::tls_started(std::string_view features) {
  reset();
  partial_.clear();
  helo_.clear();
  is_extended_ = false;
  in_tls_ = true;
  features_ = features;
}

SinkDialogue::Next SinkDialogue::command(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const size_t space = line.find(' ');
  const Verb verb = verb_of(line.substr(0, space));
  if (options_.syslog.has(verb)) {
    ::syslog(LOG_INFO, "%s: %.*s", client_.c_str(), static_cast<int>(line.size()), line.data());
  }
  const std::string_view arguments =
      space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  return answer(verb, arguments);
}

SinkDialogue::Next SinkDialogue::answer(Verb verb, std::string_view arguments) {
  switch (verb) {
    case Verb::ehlo:
    case Verb::lhlo:
      if (options_.hide_esmtp || (verb == Verb::lhlo) != options_.lmtp) break;
      helo_ = arguments;
      is_extended_ = true;
      reset();
      return reply(verb, std::string(features_));
    case Verb::helo:
      if (options_.lmtp) break;
      helo_ = arguments;
      reset();
      return reply(verb, "250 " + options_.hostname + "\r\n");
    case Verb::mail:
      return mail(arguments);
    case Verb::rcpt:
      return rcpt(arguments);
    case Verb::data:
      return data();
    case Verb::bdat:
      if (options_.hide_chunking) break;
      return bdat(arguments);
    case Verb::starttls:
      if (!options_.tls || in_tls_) break;
      return starttls();
    case Verb::rset:
      reset();
      return reply(verb, text("250", "2.1.0", "Ok"));
    case Verb::auth:
      return reply(verb, text("235", "2.7.0", "Ok"));
    case Verb::xclient:
      if (options_.hide_xclient) break;
      reset();
      return reply(verb, greeting());
    case Verb::xforward:
      if (options_.hide_xforward) break;
      return reply(verb, text("250", "2.0.0", "Ok"));
    case Verb::noop:
    case Verb::vrfy:
      return reply(verb, text(verb == Verb::noop ? "250" : "252", "2.0.0", "Ok"));
    case Verb::quit:
      taker_.on_quit();
      return reply(verb, text("221", "2.0.0", "Bye"));
    case Verb::connect:
    case Verb::end_of_message:
    case Verb::unknown:
      break;
  }
  return reply(Verb::unknown, text("500", "5.5.1", "Error: unknown command"));
}

SinkDialogue::Next SinkDialogue::mail(std::string_view arguments) {
  if (has_mail_) return reply(Verb::mail, text("503", "5.5.1", "Error: nested MAIL command"));
  const uint64_t size = announced_size(arguments).value_or(0);
  if (options_.size_max > 0 && size > options_.size_max)
    return reply(Verb::mail, text("552", "5.3.4", "Error: message too large"));
  if (options_.soft.has(Verb::mail) || options_.hard.has(Verb::mail)) return reply(Verb::mail, {});
  has_mail_ = true;
  mail_arguments_ = arguments;
  return reply(Verb::mail, text("250", "2.1.0", "Ok"));
}

SinkDialogue::Next SinkDialogue::rcpt(std::string_view arguments) {
  if (!has_mail_) return reply(Verb::rcpt, text("503", "5.5.1", "Error: need MAIL command"));
  if (options_.soft.has(Verb::rcpt) || options_.hard.has(Verb::rcpt)) return reply(Verb::rcpt, {});
  recipients_.emplace_back(address_in(arguments));
  if (options_.dumps()) rcpt_arguments_.emplace_back(arguments);
  return reply(Verb::rcpt, text("250", "2.1.5", "Ok"));
}

SinkDialogue::Next SinkDialogue::data() {
  if (in_message_) return reply(Verb::data, text("503", "5.5.1", "Error: BDAT was begun"));
  if (recipients_.empty())
    return reply(Verb::data, text("503", "5.5.1", "Error: need RCPT command"));
  if (options_.soft.has(Verb::data) || options_.hard.has(Verb::data)) return reply(Verb::data, {});
  start_message();
  scanner_.start();
  mode_ = Mode::data;
  const Next next = reply(Verb::data, "354 End data with <CR><LF>.<CR><LF>\r\n");
  if (next != Next::input) return next;
  if (options_.abort_after_data_micros >= 0) {
    return pause(options_.abort_after_data_micros, text("550", "5.3.0", "Error: command failed"),
                 true);
  }
  return options_.stall_after_data_micros > 0 ? pause(options_.stall_after_data_micros, {}, false)
                                              : Next::input;
}

SinkDialogue::Next SinkDialogue::bdat(std::string_view arguments) {
  const size_t space = arguments.find(' ');
  const std::optional<uint64_t> size = parse_decimal(arguments.substr(0, space));
  const std::string_view last =
      space == std::string_view::npos ? std::string_view() : trim(arguments.substr(space));
  if (!size || (!last.empty() && !equals_ignore_case(last, "LAST"))) {
    // Where the chunk ends is not known, so nothing after it can be read as a command.
    output_ += text("501", "5.5.4", "Error: bad BDAT");
    return Next::end;
  }
  chunk_left_ = *size;
  chunk_is_last_ = !last.empty();
  chunk_is_refused_ = recipients_.empty();
  mode_ = Mode::chunk;
  if (!chunk_is_refused_ && !in_message_) start_message();
  std::string_view nothing;
  return chunk_left_ == 0 ? chunk_bytes(nothing) : Next::input;
}

SinkDialogue::Next SinkDialogue::starttls() {
  starts_tls_ = !options_.soft.has(Verb::starttls) && !options_.hard.has(Verb::starttls);
  const Next next = reply(Verb::starttls, text("220", "2.0.0", "Ready to start TLS"));
  if (next != Next::input) return next;
  return std::exchange(starts_tls_, false) ? Next::tls : Next::input;
}

SinkDialogue::Next SinkDialogue::data_bytes(std::string_view& input) {
  while (!input.empty() && !scanner_.is_done()) take_content(scanner_.next(input));
  if (!scanner_.is_done()) return Next::input;
  return end_of_message();
}

SinkDialogue::Next SinkDialogue::chunk_bytes(std::string_view& input) {
  const size_t count = std::min<uint64_t>(chunk_left_, input.size());
  if (!chunk_is_refused_) take_content(input.substr(0, count));
  input.remove_prefix(count);
  chunk_left_ -= count;
  if (chunk_left_ > 0) return Next::input;
  mode_ = Mode::commands;
  if (chunk_is_refused_) return reply(Verb::bdat, text("503", "5.5.1", "Error: need RCPT command"));
  if (chunk_is_last_) return end_of_message();
  return reply(Verb::bdat, text("250", "2.0.0", "Ok"));
}

SinkDialogue::Next SinkDialogue::end_of_message() {
  mode_ = Mode::commands;
  const bool is_taken = !options_.soft.has(Verb::end_of_message) &&
                        !options_.hard.has(Verb::end_of_message) &&
                        !options_.drop_silently.has(Verb::end_of_message) &&
                        !options_.drop_with_421.has(Verb::end_of_message);
  std::string replies;
  const size_t count = options_.lmtp ? recipients_.size() : 1;
  const bool is_too_large = options_.size_max > 0 && check_.total_bytes() > options_.size_max;
  if (is_taken && !is_too_large) {
    taker_.on_message(TakenMessage{check_, recipients_, client_,
                                   options_.lmtp  ? "LMTP"
                                   : is_extended_ ? "ESMTP"
                                                  : "SMTP",
                                   helo_, mail_arguments_, rcpt_arguments_, content_});
  }
  for (size_t i = 0; i < count; ++i) {
    replies += is_too_large ? text("552", "5.3.4", "Error: message too large")
                            : text("250", "2.0.0", "Ok");
  }
  reset();
  return reply(Verb::end_of_message, std::move(replies));
}

SinkDialogue::Next SinkDialogue::reply(Verb verb, std::string reply_text) {
  if (options_.drop_silently.has(verb)) return Next::end;
  bool ends = verb == Verb::quit;
  if (options_.drop_with_421.has(verb)) {
    reply_text = text("421", "4.3.0", "Error: command failed");
    ends = true;
  } else if (options_.hard.has(verb)) {
    reply_text = options_.hard_reply + "\r\n";
  } else if (options_.soft.has(verb)) {
    reply_text = options_.soft_reply + "\r\n";
  }
  const int64_t delay = delay_of(verb);
  if (delay > 0) return pause(delay, std::move(reply_text), ends);
  output_ += reply_text;
  return ends ? Next::end : Next::input;
}

SinkDialogue::Next SinkDialogue::pause(int64_t micros, std::string held, bool ends) {
  pause_micros_ = micros;
  held_ = std::move(held);
  ends_after_pause_ = ends;
  return Next::pause;
}

int64_t SinkDialogue::delay_of(Verb verb) {
  const VerbDelay& delay = options_.delays[static_cast<size_t>(verb)];
  if (delay.micros == 0 || delay.odds == 0) return delay.micros;
  int64_t times = 1;
  while (random_.below(100) < delay.odds) ++times;
  return delay.micros * times;
}

std::string SinkDialogue::text(std::string_view code, std::string_view enhanced,
                               std::string_view words) const {
  std::string line(code);
  line += ' ';
  if (!options_.hide_enhanced) {
    line += enhanced;
    line += ' ';
  }
  line += words;
  line += "\r\n";
  return line;
}

std::string SinkDialogue::greeting() const {
  if (options_.pose_as_pix) return "220 ********\r\n";
  const std::string_view protocol = options_.lmtp ? " LMTP" : options_.hide_esmtp ? "" : " ESMTP";
  return "220 " + options_.hostname + std::string(protocol) + "\r\n";
}

void SinkDialogue::start_message() {
  in_message_ = true;
  check_.start();
  content_.clear();
}

void SinkDialogue::take_content(std::string_view bytes) {
  if (bytes.empty()) return;
  check_.feed(bytes);
  if (options_.dumps()) content_.append(bytes);
}

void SinkDialogue::reset() noexcept {
  has_mail_ = false;
  in_message_ = false;
  recipients_.clear();
  rcpt_arguments_.clear();
  mail_arguments_.clear();
}

}  // namespace godwit::bench
