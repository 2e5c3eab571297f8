#include "delivery/transport/autoreply.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/hints/database.h"
#include "core/io/fiber.h"
#include "delivery/transport/local_text.h"
#include "delivery/transport/unique_fd.h"
#include "protocol/message/fixups.h"
#include "protocol/message/references.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

namespace godwit::delivery {
namespace {

using Options = AutoreplyOptions;
using config::Effect;

constexpr size_t kFileBytesMax = 1u << 20;
constexpr int64_t kCopyBlock = 8192;  // the size that is told of a cut copy is in these

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<Options>>({
    {"bcc",            &Options::bcc,            "",      Effect::now,   "hidden recipients"},
    {"cc",             &Options::cc,             "",      Effect::now,   "further recipients"},
    {"file",           &Options::file,           "",      Effect::now,   "file with more text"},
    {"file_expand",    &Options::file_expand,    "false", Effect::now,   "expand the lines of the file"},
    {"file_optional",  &Options::file_optional,  "false", Effect::now,   "the file need not exist"},
    {"from",           &Options::from,           "",      Effect::now,   "From: of the answer"},
    {"headers",        &Options::headers,        "",      Effect::now,   "further header lines"},
    {"log",            &Options::log,            "",      Effect::now,   "a log of answers"},
    {"mode",           &Options::mode,           "0600",  Effect::now,   "mode of the log"},
    {"never_mail",     &Options::never_mail,     "",      Effect::now,   "addresses that get no answer"},
    {"once",           &Options::once,           "",      Effect::now,   "database of who has had an answer"},
    {"once_file_size", &Options::once_file_size, "0",     Effect::never, "size of an older kind of that file"},
    {"once_repeat",    &Options::once_repeat,    "0s",    Effect::now,   "answer again after this; 0s: never"},
    {"reply_to",       &Options::reply_to,       "",      Effect::now,   "Reply-To: of the answer"},
    {"return_message", &Options::return_message, "false", Effect::now,   "append the message"},
    {"subject",        &Options::subject,        "",      Effect::now,   "Subject: of the answer"},
    {"text",           &Options::text,           "",      Effect::now,   "text of the answer"},
    {"to",             &Options::to,             "",      Effect::now,   "recipients"},
});
// clang-format on

// One line: what a sender chose must not become a header of its own.
std::string one_line(std::string_view text) {
  std::string out;
  for (char c : trim(text)) out += c == '\n' || c == '\r' ? ' ' : c;
  return out;
}

void add_field(std::string_view name, std::string_view value, std::string& out) {
  const std::string line = one_line(value);
  if (!line.empty()) out += std::string(name) + ": " + line + "\r\n";
}

// The value of Message-ID: of the message that is answered.
std::string message_id_of(std::string_view headers) {
  for (size_t at = 0; at < headers.size();) {
    const size_t end = std::min(headers.find('\n', at), headers.size());
    const std::string_view line = headers.substr(at, end - at);
    if (starts_with_ignore_case(line, "message-id:")) return one_line(line.substr(11));
    at = end + 1;
  }
  return {};
}

// Remembers the time and says whether the last one is over.
class Remember final : public hints::Database::Change {
 public:
  Remember(WallTime now, Seconds repeat) : now_(now), repeat_(repeat) {}
  bool may_answer = true;

  std::optional<std::string> operator()(std::optional<std::string_view> value) override {
    WallTime last;
    if (value && value->size() == sizeof last.micros)
      std::memcpy(&last.micros, value->data(), sizeof last.micros);
    const bool is_known = last.micros != 0;
    may_answer = !is_known || (repeat_.count > 0 && now_ - last >= Millis(repeat_));
    if (!may_answer) return std::nullopt;
    std::string out(sizeof now_.micros, '\0');
    std::memcpy(out.data(), &now_.micros, sizeof now_.micros);
    return out;
  }

 private:
  WallTime now_;
  Seconds repeat_;
};

// Leaves out whoever has had an answer lately and remembers the others in the database that `once`
// names. Touches the disk: for the pool.
Result<void> claim_answers(const std::string& path, Seconds repeat, WallTime now,
                           std::vector<std::string>& recipients) {
  Result<std::unique_ptr<hints::LmdbDatabase>> database = hints::LmdbDatabase::open(path);
  if (!database) return database.error();
  std::erase_if(recipients, [&](const std::string& recipient) {
    Remember remember(now, repeat);
    const Result<void> done = (*database)->update(to_lower(recipient), remember);
    return done && !remember.may_answer;
  });
  return {};
}

// The answer could not be queued: it is tried again.
void release_answers(const std::string& path, const std::vector<std::string>& recipients) {
  Result<std::unique_ptr<hints::LmdbDatabase>> database = hints::LmdbDatabase::open(path);
  if (!database) return;
  for (const std::string& recipient : recipients) (*database)->remove(to_lower(recipient));
}

DeliveryOutcome outcome_of(OutcomeKind kind, std::string text) {
  DeliveryOutcome out;
  out.kind = kind;
  out.scope = kind == OutcomeKind::delivered ? FailureScope::none : FailureScope::local;
  out.text = std::move(text);
  return out;
}

// `why` is the number of the system's error, where there is one.
Result<std::string> read_file(const std::string& path, int& why) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    why = errno;
    return Error(Errc::not_found, "Failed to open file " + path);
  }
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.size() > kFileBytesMax) text.resize(kFileBytesMax);
  return text;
}

// Each line by itself, as Exim does.
Result<std::string> expand_lines(std::string_view text, acl::EvalContext& context) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    const Result<acl::Expansion> expansion = acl::compile_expansion(line, acl::CompileOptions{});
    if (!expansion)
      return Error(Errc::config, "Expansion of \"" + std::string(line) +
                                     "\" (file) failed: " + expansion.error().detail());
    const acl::EvalResult result = expansion->evaluate(context);
    if (!result.ok())
      return Error(Errc::lookup_deferred,
                   "Expansion of \"" + std::string(line) + "\" (file) failed: " + result.text);
    out += result.text;
    out += '\n';
    at = end + 1;
  }
  return out;
}

// An answer has been sent whether or not this can be written. Touches the disk: for the pool.
bool append_record(const std::string& path, int64_t mode, std::string_view record) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
  const UniqueFd file(::open(path.c_str(), kFlags, static_cast<mode_t>(mode)));
  return file.is_open() &&
         ::write(file.get(), record.data(), record.size()) == static_cast<ssize_t>(record.size());
}

}  // namespace

// What the log of answers says of one.
std::string AutoreplyTransport::log_record(const Answer& answer, const LocalDelivery& delivery) {
  std::string out = format_log_time(delivery.now, delivery.evaluation.utc) + "\n";
  const std::pair<std::string_view, const std::string*> lines[] = {
      {"From: ", &answer.from}, {"To: ", &answer.to},           {"Cc: ", &answer.cc},
      {"Bcc: ", &answer.bcc},   {"Subject: ", &answer.subject}, {"", &answer.headers}};
  for (const auto& [name, value] : lines) {
    if (!value->empty()) out += "  " + std::string(name) + one_line(*value) + "\n";
  }
  return out;
}

std::unique_ptr<config::OptionBinding> autoreply_options() {
  return std::make_unique<config::OwnOptions<AutoreplyOptions>>(kRows);
}

std::unique_ptr<Transport> make_autoreply_transport(const config::Instance& instance,
                                                    const TransportCompileContext& context) {
  auto transport = std::make_unique<AutoreplyTransport>();
  AutoreplyOptions& options = transport->own_;
  config::OptionTarget<TransportOptions> generic(transport_option_rows(), transport->options_);
  config::OptionTarget<AutoreplyOptions> own(kRows, options);
  config::apply_settings(instance.settings, {&generic, &own}, context.diagnostics,
                         "autoreply transport");
  transport->bcc_ = context.expansion(options.bcc);
  transport->cc_ = context.expansion(options.cc);
  transport->file_ = context.expansion(options.file);
  transport->from_ = context.expansion(options.from);
  transport->log_ = context.expansion(options.log);
  transport->headers_ = context.expansion(options.headers);
  transport->once_ = context.expansion(options.once);
  transport->once_repeat_ = context.expansion(options.once_repeat);
  transport->reply_to_ = context.expansion(options.reply_to);
  transport->subject_ = context.expansion(options.subject);
  transport->text_ = context.expansion(options.text);
  transport->to_ = context.expansion(options.to);
  transport->never_mail_ = context.list(config::ListKind::address, options.never_mail);
  return transport;
}

AutoreplyTransport::Answer AutoreplyTransport::answer(const LocalDelivery& delivery) const {
  Answer out;
  struct Value {
    const acl::Expansion& expansion;
    std::string& value;
  };
  const Value values[] = {{bcc_, out.bcc},           {cc_, out.cc},
                          {file_, out.file},         {from_, out.from},
                          {headers_, out.headers},   {log_, out.log},
                          {once_, out.once},         {once_repeat_, out.once_repeat},
                          {reply_to_, out.reply_to}, {subject_, out.subject},
                          {text_, out.text},         {to_, out.to}};
  for (const Value& row : values) {
    acl::EvalResult result = row.expansion.evaluate(delivery.evaluation);
    const bool is_free = &row.value == &out.headers || &row.value == &out.text;
    if (!check(row.expansion, is_free, result, out)) return out;
    const bool is_path =
        &row.value == &out.file || &row.value == &out.once || &row.value == &out.log;
    if (is_path && result.tainted && !result.text.empty()) {
      out.problem = "Tainted '" + escape_control(result.text) + "' (file or directory name for " +
                    name_ + " transport) not permitted";
      return out;
    }
    row.value = std::move(result.text);
  }
  const std::string_view repeat = trim(out.once_repeat);
  const Result<Seconds> interval = repeat.empty() ? Seconds{0} : config::parse_time(repeat);
  if (interval) {
    out.interval = *interval;
  } else {
    out.problem = "Invalid time value \"" + std::string(repeat) + "\" for \"once_repeat\" in " +
                  name_ + " transport";
    out.is_final = true;
  }
  choose_recipients(out, delivery.evaluation);
  out.more = more_fields(out.headers);
  return out;
}

// `is_free`: the value may be of any characters. False: there is a problem.
bool AutoreplyTransport::check(const acl::Expansion& option, bool is_free,
                               const acl::EvalResult& result, Answer& out) const {
  const std::string what = "Expansion of \"" + escape_control(option.source()) + "\" ";
  if (!result.ok()) {
    out.problem = what + "failed in " + name_ + " transport: " + result.text;
    out.is_final = result.status != acl::EvalStatus::deferred;
    return false;
  }
  const std::optional<int> odd = is_free ? std::nullopt : unprintable_in(result.text);
  if (!odd) return true;
  out.problem = "Expansion of \"" + escape_control(result.text) + "\" in " + name_ +
                " transport contains non-printing character " + std::to_string(*odd);
  out.is_final = true;
  return false;
}

void AutoreplyTransport::choose_recipients(Answer& answer, acl::EvalContext& context) const {
  const acl::ServerFacts* server = context.server;
  const std::string domain = server == nullptr ? "localhost" : server->qualify_recipient;
  for (std::string* list : {&answer.to, &answer.cc, &answer.bcc}) {
    AnswerList chosen = answer_list(*list, domain, never_mail_.get(), context);
    *list = std::move(chosen.text);
    answer.is_malformed = answer.is_malformed || chosen.is_malformed;
    for (std::string& address : chosen.addresses) answer.recipients.push_back(std::move(address));
  }
  for (std::string* list : {&answer.from, &answer.reply_to})
    *list = answer_list(*list, server == nullptr ? "localhost" : server->qualify_domain, nullptr,
                        context)
                .text;
}

std::string AutoreplyTransport::header_section(const Answer& answer,
                                               const LocalDelivery& delivery) const {
  std::string out;
  const bool has_from = !answer.from.empty() || answer.more.has_from;
  add_field("From", has_from ? answer.from : "<" + std::string(delivery.address) + ">", out);
  add_field("Reply-To", answer.reply_to, out);
  add_field("To", answer.to, out);
  add_field("Cc", answer.cc, out);
  add_field("Subject", answer.subject, out);
  // A filter may have taken the header section.
  const acl::MessageFacts* facts = delivery.evaluation.message;
  const bool has_own = facts != nullptr && !facts->headers.empty();
  const std::string_view headers =
      has_own ? std::string_view(facts->headers) : delivery.content.header_section();
  const std::string id = message_id_of(headers);
  add_field("In-Reply-To", id, out);
  add_field("References", message::references_to(headers, id), out);
  add_field("Auto-Submitted", "auto-replied", out);
  if (!answer.more.has_date)
    out += "Date: " + format_rfc5322_time(delivery.now, delivery.evaluation.utc) + "\r\n";
  return out + answer.more.lines;
}

DeliveryOutcome AutoreplyTransport::unopened(const std::string& what, int why) const {
  const std::string reason = std::strerror(why);
  DeliveryOutcome out =
      outcome_of(OutcomeKind::deferred, reason + ": " + what + " when sending message from " +
                                            name_ + " transport: " + reason);
  out.error_number = why;
  return out;
}

// return_message: what of the message goes back, up to bounce_return_size_limit of its body.
Task<Result<std::string>> AutoreplyTransport::copy_of(const LocalDelivery& delivery) const {
  std::string out = "\r\n------ This is a copy of ";
  out += options_.headers_only ? "the message's header lines."
         : options_.body_only  ? "the body of the message, without the headers."
                               : "the message, including all the headers.";
  out += "\r\n";
  const int64_t limit = delivery.evaluation.server == nullptr
                            ? 0
                            : delivery.evaluation.server->bounce_return_size_limit;
  MailboxTextOptions plain;
  plain.use_crlf = true;
  std::string text = co_await ok(whole_text(delivery.content, plain, "", ""));
  const size_t body_at =
      delivery.content.header_section().size() + delivery.content.separator().size();
  const size_t body_bytes = text.size() - std::min(body_at, text.size());
  if (limit > 0 && body_bytes > static_cast<size_t>(limit)) {
    const int64_t shown = (limit / kCopyBlock + 1) * kCopyBlock / 1000 * 1000;
    out += "------ The body of the message is " + std::to_string(body_bytes) +
           " characters long; only the first\r\n------ " + std::to_string(shown) +
           " or so are included here.\r\n";
    text.resize(body_at + static_cast<size_t>(limit));
    text += "\r\n";
  }
  co_return out + "\r\n" + text;
}

Task<DeliveryOutcome> AutoreplyTransport::deliver(Loop& loop, LocalDelivery delivery) const {
  auto answering = [&] { return answer(delivery); };
  Answer what = co_await on_fiber(answering);
  if (!what.problem.empty())
    co_return outcome_of(what.is_final ? OutcomeKind::failed : OutcomeKind::deferred,
                         std::move(what.problem));
  std::vector<std::string>& recipients = what.recipients;
  if (recipients.empty() && what.is_malformed)
    co_return outcome_of(OutcomeKind::deferred,
                         "Failed to send message from " + name_ + " transport (1)");
  if (recipients.empty()) co_return outcome_of(OutcomeKind::delivered, {});
  std::string body = std::move(what.more.body);
  if (!what.text.empty()) add_with_crlf(what.text, body);
  if (!what.file.empty()) {
    int why = 0;
    auto reading = [&] { return read_file(what.file, why); };
    auto job = blocking(loop, reading);
    Result<std::string> text = co_await job;
    if (text && own_.file_expand) {
      auto expanding = [&] { return expand_lines(*text, delivery.evaluation); };
      text = co_await on_fiber(expanding);
      if (!text) co_return outcome_of(OutcomeKind::deferred, text.error().detail());
    }
    if (text) {
      add_with_crlf(*text, body);
    } else if (!own_.file_optional) {
      co_return unopened(text.error().detail(), why);
    }
  }
  if (own_.return_message) {
    const Result<std::string> copy = co_await copy_of(delivery);
    if (!copy) co_return outcome_of(OutcomeKind::deferred, copy.error().detail());
    body += *copy;
  }
  if (delivery.injector == nullptr)
    co_return outcome_of(OutcomeKind::deferred, "answers cannot be sent from here");
  const bool remembers = !what.once.empty();
  if (remembers) {
    auto claiming = [&] {
      return claim_answers(what.once, what.interval, delivery.now, recipients);
    };
    auto job = blocking(loop, claiming);
    const Result<void> claimed = co_await job;
    if (!claimed)
      co_return outcome_of(OutcomeKind::deferred, "Failed to open the database of \"once\" in " +
                                                      name_ +
                                                      " transport: " + claimed.error().detail());
    if (recipients.empty()) co_return outcome_of(OutcomeKind::delivered, {});
  }
  std::string headers = header_section(what, delivery);
  const Result<void> sent = co_await delivery.injector->inject_message(
      {}, recipients, std::move(headers), std::move(body), delivery.envelope.message_id);
  if (sent && !what.log.empty()) {
    const std::string record = log_record(what, delivery);
    auto logging = [&] { return append_record(what.log, own_.mode.bits, record); };
    auto job = blocking(loop, logging);
    co_await job;
  }
  if (sent) co_return outcome_of(OutcomeKind::delivered, {});
  if (remembers) {
    auto releasing = [&] {
      release_answers(what.once, recipients);
      return true;
    };
    auto job = blocking(loop, releasing);
    co_await job;
  }
  co_return outcome_of(OutcomeKind::deferred, sent.error().to_string());
}

}  // namespace godwit::delivery
