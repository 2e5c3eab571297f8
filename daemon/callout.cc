#include "daemon/callout.h"

#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "daemon/callout_record.h"
#include "delivery/queue/host_events.h"
#include "delivery/transport/smtp_outcome.h"
#include "protocol/smtp/ports.h"

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

int64_t now_of(const acl::EvalContext& context) {
  return context.now.micros / 1'000'000;
}

std::string joined(const smtp::ServerReply& reply, std::string_view problem) {
  return reply.code != 0 ? reply.full_text() : std::string(problem);
}

// Tells the operator's actions of the connections of one callout.
class CalloutEvents final : public delivery::EventSink {
 public:
  // `of_address` is the question, with the host under way. All outlives it.
  CalloutEvents(const acl::EventActions& main, const delivery::SmtpTransport& transport,
                const acl::EvalContext& of_address, Log& log)
      : main_(main), transport_(transport), of_address_(of_address), log_(log) {}
  bool is_heard() const { return !main_.empty() || !transport_.events().empty(); }

  Task<std::string> raise(acl::EventFacts event, const delivery::RemoteInfo& remote) override {
    const bool is_main = event.name.starts_with("tls:fail:");
    acl::AddressFacts address = *of_address_.address;
    address.router_name.clear();
    address.transport_name = transport_.name();
    address.sending = remote.local;
    acl::EvalContext evaluation(of_address_);
    evaluation.address = &address;
    // What an action sets is not seen outside it.
    acl::AclVariables of_message;
    acl::AclVariables of_connection;
    if (evaluation.message_variables != nullptr) of_message = *evaluation.message_variables;
    if (evaluation.connection_variables != nullptr)
      of_connection = *evaluation.connection_variables;
    evaluation.message_variables = &of_message;
    evaluation.connection_variables = &of_connection;
    if (!remote.tls.cipher.empty()) evaluation.tls_out = &remote.tls;
    const acl::EventActions& actions = is_main ? main_ : transport_.events();
    std::string said = co_await actions.raise(std::move(event), evaluation, log_);
    co_return said;
  }

 private:
  const acl::EventActions& main_;
  const delivery::SmtpTransport& transport_;
  const acl::EvalContext& of_address_;
  Log& log_;
};

}  // namespace

// One callout: the cache, then host after host.
class CalloutRun {
 public:
  CalloutRun(Callouts& callouts, const CalloutQuestion& question, acl::EvalContext& context)
      : callouts_(callouts),
        question_(question),
        options_(question.options),
        context_(context),
        address_(question.facts),
        of_address_(context),
        events_(callouts.config_->policy->events(), question.transport, of_address_,
                *callouts.log_) {
    of_address_.address = &address_;
    of_address_.domain_data = question.domain_data;
    of_address_.local_part_data = question.local_part_data;
    of_address_.is_local_part_caseful = false;
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

  std::optional<CalloutRecord> read(const std::string& key, bool is_domain) const {
    const std::optional<std::string> text = callouts_.cache_->get(key);
    const std::optional<CalloutRecord> record = text ? CalloutRecord::decoded(*text) : std::nullopt;
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
    CalloutRecord record;
    record.seconds = now_of(context_);
    record.result = answer.verdict == Verdict::ok ? Known::accepts : Known::rejects;
    callouts_.cache_->put(address_key_, record.encoded());
  }

  // --- Hosts

  Answer ask_hosts() {
    // What may wait on the fiber comes before the tasks.
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
        address_.host = host.name;
        address_.host_address = address.to_string();
        const std::optional<uint16_t> port = host.port != 0 ? host.port : usual_port();
        if (!port) return deferred("invalid port for " + question_.transport.name() + " transport");
        address_.host_port = *port;
        context_.findings.callout_address = Endpoint{address, *port}.to_string();
        const delivery::SmtpHost at{host.name,    host.initial_name, {address, *port}, host.secure,
                                    host.from_mx, host.secure_alias, host.domains};
        if (std::optional<Answer> answer = wait_for(ask_host(at, last))) return std::move(*answer);
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

  // Of hosts that name none. Nothing where `port` cannot be expanded.
  std::optional<uint16_t> usual_port() {
    const acl::Expansion* port = question_.transport.expanded_port();
    if (port == nullptr) return question_.transport.default_port();
    const acl::EvalResult text = port->evaluate(of_address_);
    return text.ok() ? smtp::parse_port(trim(text.text)) : std::nullopt;
  }

  // Nothing: another host may know. `problem` gets why.
  Task<std::optional<Answer>> ask_host(const delivery::SmtpHost& host, std::string& problem) {
    const delivery::SmtpOpener opener = callouts_.opener(question_.transport);
    delivery::PreparedOpening prepared =
        co_await opener.prepare(host, delivery::SmtpUse::verify, &of_address_);
    if (prepared.failure) {
      problem = host_ + " : " + prepared.failure->text;
      if (!prepared.dane_failure.empty())
        co_await delivery::tell(sink(), "dane:fail", prepared.failure->remote,
                                prepared.dane_failure);
      co_return std::nullopt;
    }
    delivery::SmtpOpening& opening = prepared.opening;
    opening.pipelining = false;
    opening.connect_timeout = options_.connect.value_or(options_.timeout);
    opening.command_timeout = options_.timeout;
    opening.events = sink();
    std::string tls_problem;
    std::optional<Answer> answer = co_await converse(host, opening, problem, tls_problem);
    if (tls_problem.empty() || callouts_.closed_) co_return answer;
    delivery::SmtpOpening in_clear = opener.in_clear(std::move(opening), host, tls_problem);
    answer = co_await converse(host, std::move(in_clear), problem, tls_problem);
    co_return answer;
  }

  // `tls_problem`: why TLS failed, where the host may be asked in clear.
  Task<std::optional<Answer>> converse(const delivery::SmtpHost& host,
                                       delivery::SmtpOpening opening, std::string& problem,
                                       std::string& tls_problem) {
    delivery::SmtpConnection connection(callouts_.loop_, callouts_.sockets_, question_.transport,
                                        host.name, host.endpoint, host.is_mx);
    callouts_.connections_.insert(&connection);
    std::optional<Answer> answer;
    const std::optional<delivery::DeliveryOutcome> failure =
        co_await connection.open(std::move(opening));
    if (failure) {
      tls_problem = connection.tls_problem();
      answer = judge_failure(connection, host.endpoint, *failure, problem);
    } else {
      answer = co_await ask_in_order(connection, host.endpoint, problem);
      co_await connection.quit(kQuitTimeout);
    }
    callouts_.connections_.erase(&connection);
    if (connection.is_connected())
      co_await delivery::tell(sink(), "tcp:close", connection.remote());
    co_return answer;
  }

  // Null where nobody wants to know.
  delivery::EventSink* sink() { return events_.is_heard() ? &events_ : nullptr; }

  // A host that refuses to talk refuses everybody.
  std::optional<Answer> judge_failure(const delivery::SmtpConnection& connection,
                                      const Endpoint& to, const delivery::DeliveryOutcome& failure,
                                      std::string& problem) {
    const smtp::Outcome* said = connection.session_failure();
    if (said == nullptr) {
      problem = host_ + " : " + failure.text;
      return std::nullopt;
    }
    const std::string text = joined(said->reply, said->problem);
    problem = response(said->command, text);
    if (said->reply.digit() != 5) return std::nullopt;
    domain_record_.result = Known::rejects;
    return refused("mail", to, said->command, text);
  }

  Task<std::optional<Answer>> ask_in_order(delivery::SmtpConnection& connection, const Endpoint& to,
                                           std::string& problem) {
    if (options_.random && domain_record_.random == Known::nothing) {
      const Reply reply = co_await probe(connection, from_, random_ + "@" + domain_);
      if (reply.outcome == smtp::OutcomeClass::delivered) {
        domain_record_.random = Known::accepts;
        co_return accepted("random");
      }
      if (reply.outcome == smtp::OutcomeClass::recipient_failed)
        domain_record_.random = Known::rejects;
      if (!connection.is_usable()) co_return std::nullopt;
    }
    const Reply reply = co_await probe(connection, from_, question_.address);
    if (reply.outcome != smtp::OutcomeClass::delivered) {
      problem = response(reply.command, reply.text);
      if (!reply.is_permanent) co_return std::nullopt;
      if (reply.is_mail && from_.empty()) domain_record_.result = Known::rejects;
      co_return refused(reply.is_mail ? "mail" : "recipient", to, reply.command, reply.text);
    }
    domain_record_.result = Known::accepts;
    if (!options_.postmaster || domain_record_.postmaster == Known::accepts) co_return accepted();
    co_return co_await ask_postmaster(connection, to);
  }

  Task<std::optional<Answer>> ask_postmaster(delivery::SmtpConnection& connection,
                                             const Endpoint& to) {
    if (!connection.is_usable()) co_return accepted();
    const std::string from = options_.postmaster_mailfrom.value_or(std::string());
    Reply reply = co_await probe(connection, from, "postmaster@" + domain_);
    const bool again = reply.outcome != smtp::OutcomeClass::delivered && options_.full_postmaster;
    if (again && connection.is_usable()) reply = co_await probe(connection, from, "postmaster");
    if (reply.outcome == smtp::OutcomeClass::delivered) domain_record_.postmaster = Known::accepts;
    // What cannot be told now does not make the address a bad one.
    if (!reply.is_permanent) co_return accepted();
    domain_record_.postmaster = Known::rejects;
    co_return refused("postmaster", to, reply.command, reply.text);
  }

  Task<Reply> probe(delivery::SmtpConnection& connection, std::string from,
                    std::string address) const {
    // A recipient is asked about with the message that the client has announced.
    const bool is_known =
        !question_.is_sender && context_.message != nullptr && context_.message->size > 0;
    const uint64_t bytes = is_known ? static_cast<uint64_t>(context_.message->size) : 0;
    const smtp::Outcome said =
        co_await connection.probe(std::move(from), std::move(address), bytes);
    Reply out;
    out.outcome = said.outcome;
    out.command = said.command;
    out.text = joined(said.reply, said.problem);
    out.is_mail = said.outcome == smtp::OutcomeClass::message_failed ||
                  said.outcome == smtp::OutcomeClass::message_deferred;
    out.is_permanent = said.outcome == smtp::OutcomeClass::message_failed ||
                       said.outcome == smtp::OutcomeClass::recipient_failed;
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

  static constexpr std::string_view kRandomLocalPart = "godwit-testing";

  Callouts& callouts_;
  const CalloutQuestion& question_;
  const acl::CalloutOptions& options_;
  acl::EvalContext& context_;
  acl::AddressFacts address_;    // with the host under way
  acl::EvalContext of_address_;  // what options of the transport see: the ACL's, and that address
  CalloutEvents events_;
  std::string domain_;
  std::string from_;
  std::string address_key_;
  std::string domain_key_;
  std::string host_;  // under way: "name [address]"
  std::string random_;
  CalloutRecord domain_record_;
};

Callouts::Callouts(Loop& loop, std::shared_ptr<const ServerConfig> config,
                   delivery::DaneFinder& dane)
    : loop_(loop),
      config_(std::move(config)),
      cache_(std::make_unique<hints::MemoryDatabase>()),
      dane_(dane),
      sockets_(loop),
      random_(Random::from_system()),
      log_(&no_log_),
      tls_(std::make_unique<tls::ContextCache>(loop, no_log_, nullptr)) {}

void Callouts::open(std::unique_ptr<hints::Database> cache, Log& log) {
  cache_ = std::move(cache);
  log_ = &log;
  tls_ = std::make_unique<tls::ContextCache>(loop_, log, nullptr);
}

delivery::SmtpOpener Callouts::opener(const delivery::SmtpTransport& transport) {
  return {{loop_, *log_, random_, config_->facts, config_->options(), *tls_, tls_sessions_, nullptr,
           &dane_, evaluators_},
          transport};
}

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
  for (delivery::SmtpConnection* connection : connections_) connection->abort();
}

}  // namespace godwit::daemon
