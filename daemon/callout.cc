#include "daemon/callout.h"

#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "delivery/transport/smtp_outcome.h"
#include "protocol/smtp/client_engine.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace godwit::daemon {
namespace {

using Answer = acl::AddressVerifier::Answer;
using Verdict = acl::AddressVerifier::Verdict;

constexpr Seconds kQuitTimeout{1};
constexpr std::string_view kReused = "Previous (cached) callout verification failure";

// What is known of an address or of something that a domain does.
enum class Known : char { nothing = '-', accepts = 'a', rejects = 'r' };

// "seconds result postmaster random"; of an address the result alone counts.
struct CacheRecord {
  int64_t seconds = 0;
  Known result = Known::nothing;
  Known postmaster = Known::nothing;
  Known random = Known::nothing;

  std::string encoded() const {
    return {std::to_string(seconds) + ' ' + static_cast<char>(result) +
            static_cast<char>(postmaster) + static_cast<char>(random)};
  }
};

Known known_of(char c) {
  return c == 'a' ? Known::accepts : c == 'r' ? Known::rejects : Known::nothing;
}

std::optional<CacheRecord> decoded(std::string_view text) {
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos || text.size() != blank + 4) return std::nullopt;
  const std::optional<uint64_t> seconds = parse_decimal(text.substr(0, blank));
  if (!seconds) return std::nullopt;
  return CacheRecord{static_cast<int64_t>(*seconds), known_of(text[blank + 1]),
                     known_of(text[blank + 2]), known_of(text[blank + 3])};
}

int64_t now_of(const acl::EvalContext& context) {
  return context.now.micros / 1'000'000;
}

std::string joined(const smtp::ServerReply& reply, std::string_view problem) {
  return reply.code != 0 ? reply.full_text() : std::string(problem);
}

}  // namespace

std::optional<WallTime> callout_asked_at(std::string_view record) {
  const std::optional<CacheRecord> known = decoded(record);
  if (!known) return std::nullopt;
  return WallTime{known->seconds * 1'000'000};
}

// One callout: the cache, then host after host.
class CalloutRun {
 public:
  CalloutRun(Callouts& callouts, const CalloutQuestion& question, acl::EvalContext& context)
      : callouts_(callouts), question_(question), options_(question.options), context_(context) {
    const size_t at = question.address.rfind('@');
    domain_ = to_lower(std::string_view(question.address).substr(at + 1));
    from_ = mail_from();
    address_key_ = "address/" + question.address + (from_.empty() ? "" : "/" + from_);
    domain_key_ = "domain/" + domain_;
  }

  Answer run() {
    if (!options_.no_cache) {
      if (std::optional<Answer> kept = from_cache()) return std::move(*kept);
    }
    Answer answer = ask_hosts();
    if (!options_.no_cache && answer.verdict != Verdict::deferred) keep(answer);
    return answer;
  }

 private:
  // What a host said of an address.
  struct Reply {
    smtp::OutcomeClass outcome = smtp::OutcomeClass::host_error;
    std::string command;
    std::string text;
    bool is_mail = false;  // refused before RCPT
    bool is_permanent = false;
  };

  std::string mail_from() const {
    if (options_.mailfrom) return *options_.mailfrom;
    if (options_.use_sender && context_.message != nullptr) return context_.message->sender_address;
    if (options_.use_postmaster && context_.server != nullptr)
      return "postmaster@" + context_.server->qualify_domain;
    return {};
  }

  static Answer failed(std::string_view kind, std::string user, std::string log) {
    Answer out;
    out.verdict = Verdict::failed;
    out.is_callout = true;
    out.failure_kind = std::string(kind);
    out.user_message = std::move(user);
    out.log_message = std::move(log);
    return out;
  }
  static Answer accepted(std::string_view kind = {}) {
    Answer out;
    out.verdict = Verdict::ok;
    out.is_callout = true;
    out.failure_kind = std::string(kind);
    return out;
  }
  static Answer reused(std::string_view kind) {
    return failed(kind, std::string(kReused), std::string(kReused));
  }

  // --- The cache

  std::optional<CacheRecord> read(const std::string& key, bool is_domain) const {
    const std::optional<std::string> text = callouts_.cache_->get(key);
    const std::optional<CacheRecord> record = text ? decoded(*text) : std::nullopt;
    if (!record) return std::nullopt;
    const config::MainOptions& options = callouts_.config_->options();
    const bool is_bad =
        record->result == Known::rejects || (is_domain && record->postmaster == Known::rejects);
    Seconds life = is_bad ? options.callout_negative_expire : options.callout_positive_expire;
    if (is_domain)
      life =
          is_bad ? options.callout_domain_negative_expire : options.callout_domain_positive_expire;
    return now_of(context_) - record->seconds < life.count ? record : std::nullopt;
  }

  std::optional<Answer> from_cache() {
    if (const auto domain = read(domain_key_, true)) {
      domain_record_ = *domain;
      if (from_.empty() && domain->result == Known::rejects) return reused("mail");
      if (options_.random && domain->random == Known::accepts) return accepted("random");
      if (options_.postmaster && domain->postmaster == Known::rejects) return reused("postmaster");
    }
    const bool asks_more = (options_.random && domain_record_.random == Known::nothing) ||
                           (options_.postmaster && domain_record_.postmaster == Known::nothing);
    const auto address = read(address_key_, false);
    if (!address) return std::nullopt;
    if (address->result == Known::rejects) return reused("recipient");
    return asks_more ? std::nullopt : std::optional<Answer>(accepted());
  }

  void keep(const Answer& answer) {
    domain_record_.seconds = now_of(context_);
    callouts_.cache_->put(domain_key_, domain_record_.encoded());
    const bool is_of_address = answer.failure_kind.empty() || answer.failure_kind == "recipient";
    if (!is_of_address) return;
    CacheRecord record;
    record.seconds = now_of(context_);
    record.result = answer.verdict == Verdict::ok ? Known::accepts : Known::rejects;
    callouts_.cache_->put(address_key_, record.encoded());
  }

  // --- Hosts

  Answer ask_hosts() {
    // What may wait on the fiber comes before the tasks.
    const acl::EvalResult helo = question_.transport.helo_data().evaluate(context_);
    helo_ = helo.ok() ? helo.text : std::string(kLocalHelo);
    const acl::EvalResult local_part =
        callouts_.config_->policy->expansion("callout_random_local_part").evaluate(context_);
    random_ = local_part.ok() ? local_part.text : std::string(kRandomLocalPart);
    const Instant begin = callouts_.loop_.clock().now();
    const Seconds wait = options_.maxwait.value_or(Seconds{options_.timeout.count * 4});
    std::string last;
    size_t tried = 0;
    for (const delivery::RouteHost& host : question_.hosts.hosts) {
      for (const IpAddress& address : host.addresses) {
        const bool is_late = callouts_.loop_.clock().now() - begin >= Millis(wait);
        if (callouts_.closed_ || is_late || tried++ >= kCalloutHostsMax) return deferred(last);
        host_ = host.name + " [" + address.to_string() + "]";
        const uint16_t port = host.port != 0 ? host.port : question_.transport.default_port();
        if (std::optional<Answer> answer = wait_for(ask_host({address, port}, last)))
          return std::move(*answer);
      }
    }
    return deferred(last);
  }

  Answer deferred(const std::string& last) const {
    const std::string dull = std::string("Could not complete ") +
                             (question_.is_sender ? "sender" : "recipient") + " verify callout";
    Answer out;
    out.is_callout = true;
    out.user_message = dull;
    const bool single = question_.hosts.hosts.size() <= 1;
    out.log_message = single && !last.empty() ? dull + ": " + last : dull;
    return out;
  }

  // Nothing: another host may know. `problem` gets why.
  Task<std::optional<Answer>> ask_host(Endpoint to, std::string& problem) {
    ConnectOptions options;
    options.to = to;
    options.timeout = Millis(options_.connect.value_or(options_.timeout));
    Result<std::unique_ptr<UvStream>> connected = co_await connect(callouts_.loop_, options);
    if (!connected) {
      problem = host_ + " : " + connected.error().to_string();
      co_return std::nullopt;
    }
    stream_ = std::move(*connected);
    callouts_.streams_.insert(stream_.get());
    std::optional<Answer> answer = co_await converse(to, problem);
    callouts_.streams_.erase(stream_.get());
    stream_->close();
    stream_.reset();
    co_return answer;
  }

  Task<std::optional<Answer>> converse(const Endpoint& to, std::string& problem) {
    smtp::ClientOptions options;
    options.helo_name = helo_;
    options.use_pipelining = false;
    options.lmtp = question_.transport.is_lmtp();
    smtp::ClientEngine engine(std::move(options));
    const smtp::ClientEvent event = co_await pump(engine);
    if (event.kind != smtp::ClientEventKind::ready) {
      const smtp::Outcome& failure = engine.failure();
      const std::string text = joined(failure.reply, failure.problem);
      problem = response(failure.command, text);
      if (failure.reply.digit() != 5) co_return std::nullopt;
      domain_record_.result = Known::rejects;
      co_return refused("mail", to, failure.command, text);
    }
    std::optional<Answer> answer = co_await ask_in_order(engine, to, problem);
    if (engine.failure().command.empty()) {
      engine.quit();
      quitting_ = true;
      co_await pump(engine);
    }
    co_return answer;
  }

  Task<std::optional<Answer>> ask_in_order(smtp::ClientEngine& engine, const Endpoint& to,
                                           std::string& problem) {
    if (options_.random && domain_record_.random == Known::nothing) {
      const Reply reply = co_await probe(engine, from_, random_ + "@" + domain_);
      if (reply.outcome == smtp::OutcomeClass::delivered) {
        domain_record_.random = Known::accepts;
        co_return accepted("random");
      }
      if (reply.outcome == smtp::OutcomeClass::recipient_failed)
        domain_record_.random = Known::rejects;
      if (!engine.failure().command.empty()) co_return std::nullopt;
    }
    const Reply reply = co_await probe(engine, from_, question_.address);
    if (reply.outcome != smtp::OutcomeClass::delivered) {
      problem = response(reply.command, reply.text);
      if (!reply.is_permanent) co_return std::nullopt;
      if (reply.is_mail && from_.empty()) domain_record_.result = Known::rejects;
      co_return refused(reply.is_mail ? "mail" : "recipient", to, reply.command, reply.text);
    }
    domain_record_.result = Known::accepts;
    if (!options_.postmaster || domain_record_.postmaster == Known::accepts) co_return accepted();
    co_return co_await ask_postmaster(engine, to);
  }

  Task<std::optional<Answer>> ask_postmaster(smtp::ClientEngine& engine, const Endpoint& to) {
    const std::string from = options_.postmaster_mailfrom.value_or(std::string());
    Reply reply = co_await probe(engine, from, "postmaster@" + domain_);
    const bool again = reply.outcome != smtp::OutcomeClass::delivered && options_.full_postmaster;
    if (again && engine.failure().command.empty())
      reply = co_await probe(engine, from, "postmaster");
    if (reply.outcome == smtp::OutcomeClass::delivered) domain_record_.postmaster = Known::accepts;
    // What cannot be told now does not make the address a bad one.
    if (!reply.is_permanent) co_return accepted();
    domain_record_.postmaster = Known::rejects;
    co_return refused("postmaster", to, reply.command, reply.text);
  }

  Task<Reply> probe(smtp::ClientEngine& engine, std::string from, std::string address) {
    smtp::Transaction transaction;
    transaction.sender = std::move(from);
    transaction.recipients.push_back({std::move(address), 0, {}});
    transaction.is_probe = true;
    engine.begin(std::move(transaction));
    smtp::ClientEvent event = co_await pump(engine);
    Reply out;
    if (event.kind != smtp::ClientEventKind::transaction_done) co_return out;
    const smtp::Outcome& said = engine.outcomes().front();
    out.outcome = said.outcome;
    out.command = said.command;
    out.text = joined(said.reply, said.problem);
    out.is_mail = said.outcome == smtp::OutcomeClass::message_failed ||
                  said.outcome == smtp::OutcomeClass::message_deferred;
    out.is_permanent = said.outcome == smtp::OutcomeClass::message_failed ||
                       said.outcome == smtp::OutcomeClass::recipient_failed;
    // After the answers the engine is ready again, or says that the connection is gone.
    if (engine.failure().command.empty()) event = co_await pump(engine);
    co_return out;
  }

  std::string response(const std::string& command, const std::string& text) const {
    return host_ + " : SMTP error from remote mail server after " + command + ": " +
           delivery::one_line(text);
  }

  Answer refused(std::string_view kind, const Endpoint& to, const std::string& command,
                 const std::string& text) const {
    const std::string user = question_.is_sender
                                 ? "Called:   " + to.address.to_string() +
                                       "\nSent:     " + command + "\nResponse: " + text
                                 : "Callout verification failed:\n" + text;
    return failed(kind, user, response(command, text));
  }

  // Sends and receives until the engine has news.
  Task<smtp::ClientEvent> pump(smtp::ClientEngine& engine) {
    for (;;) {
      const smtp::ClientEvent event = engine.next();
      const Seconds limit = quitting_ ? kQuitTimeout : options_.timeout;
      stream_->set_deadline(callouts_.loop_.clock().now() + limit);
      if (engine.has_output()) {
        const std::string output = engine.take_output();
        const Result<void> sent = co_await stream_->write(output);
        if (!sent) {
          engine.peer_closed();
          continue;
        }
      }
      if (event.kind != smtp::ClientEventKind::need_input) co_return event;
      const Result<std::string_view> got = co_await stream_->read();
      if (got && !got->empty()) {
        engine.receive(*got);
      } else if (!got && got.error().code() == Errc::timed_out) {
        engine.timed_out();
      } else {
        engine.peer_closed();
      }
    }
  }

  static constexpr std::string_view kLocalHelo = "localhost";
  static constexpr std::string_view kRandomLocalPart = "godwit-testing";

  Callouts& callouts_;
  const CalloutQuestion& question_;
  const acl::CalloutOptions& options_;
  acl::EvalContext& context_;
  std::string domain_;
  std::string from_;
  std::string address_key_;
  std::string domain_key_;
  std::string helo_;
  std::string host_;  // under way: "name [address]"
  std::string random_;
  CacheRecord domain_record_;
  std::unique_ptr<UvStream> stream_;
  bool quitting_ = false;
};

Answer Callouts::ask(const CalloutQuestion& question, acl::EvalContext& context) {
  if (!Fiber::is_current() || closed_) {
    Answer out;
    out.is_callout = true;
    out.log_message = "a callout is not possible here";
    return out;
  }
  if (omitted_) {
    Answer out;
    out.verdict = Verdict::ok;
    return out;
  }
  return CalloutRun(*this, question, context).run();
}

void Callouts::close() noexcept {
  closed_ = true;
  for (UvStream* stream : streams_) stream->close();
}

}  // namespace godwit::daemon
