#include "delivery/transport/lmtp.h"

#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "core/io/process.h"
#include "core/io/scope.h"
#include "delivery/transport/lmtp_session.h"
#include "delivery/transport/local_text.h"
#include "delivery/transport/unique_fd.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace godwit::delivery {
namespace {

using Options = LmtpOptions;
using config::Effect;

constexpr size_t kCommandErrorBytesMax = 64 * 1024;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<Options>>({
    // name           field                   default  effect         documentation
    {"batch_id",     &Options::batch_id,     "",      Effect::now,   "addresses with the same value go together"},
    {"batch_max",    &Options::batch_max,    "1",     Effect::now,   "recipients of one transaction"},
    {"command",      &Options::command,      "",      Effect::now,   "a command that speaks LMTP on its standard input and output"},
    {"ignore_quota", &Options::ignore_quota, "false", Effect::now,   "IGNOREQUOTA, where the server has it"},
    {"socket",       &Options::socket,       "",      Effect::now,   "the unix-domain socket of an LMTP server"},
    {"timeout",      &Options::timeout,      "5m",    Effect::now,   "how long the server may take for an answer"},
});
// clang-format on

DeliveryOutcome deferral(std::string text) {
  DeliveryOutcome out;
  out.scope = FailureScope::local;
  out.text = std::move(text);
  return out;
}

// There is nobody to talk to.
DeliveryOutcome unreachable(std::string text) {
  DeliveryOutcome out = deferral(std::move(text));
  out.error_number = kErrorUnknown;
  return out;
}

// In the system's words, where it said why.
std::string system_text(const Error& error) {
  switch (error.code()) {
    case Errc::not_found:
      return std::strerror(ENOENT);
    case Errc::permission_denied:
      return std::strerror(EACCES);
    case Errc::connection_refused:
      return std::strerror(ECONNREFUSED);
    default:
      return std::string(error.row().text);
  }
}

// A command that speaks LMTP over one end of a socket pair; ends with its Scope.
class Command {
 public:
  Command(Loop& loop, ProcessOptions options) : loop_(loop), options_(std::move(options)) {}

  // Our end of the pair, or why there is none.
  Result<std::unique_ptr<UvStream>> start() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
      return Error(Errc::disk_error, "socketpair");
    theirs_ = UniqueFd(ends[1]);
    options_.socket = ends[1];
    options_.cancel = &cancel_;
    scope_.spawn(run());
    theirs_.reset();
    return UvStream::from_descriptor(loop_, ends[0]);
  }
  // Gives it a moment to end by itself.
  Task<void> end() { co_await scope_.join(); }
  void stop() { cancel_.cancel(); }
  const std::string& problem() const noexcept { return problem_; }

 private:
  Task<void> run() {
    const Result<ProcessOutcome> ended = co_await run_process(loop_, std::move(options_));
    if (!ended && !ended.error().is_cancelled()) problem_ = ended.error().to_string();
  }

  Loop& loop_;
  ProcessOptions options_;
  UniqueFd theirs_;
  CancelSource cancel_;
  Scope scope_;
  std::string problem_;
};

}  // namespace

std::unique_ptr<config::OptionBinding> lmtp_options() {
  return std::make_unique<config::OwnOptions<LmtpOptions>>(kRows);
}

std::unique_ptr<Transport> make_lmtp_transport(const config::Instance& instance,
                                               const TransportCompileContext& context) {
  auto transport = std::make_unique<LmtpTransport>();
  LmtpOptions& options = transport->own_;
  config::OptionTarget<TransportOptions> generic(transport_option_rows(), transport->options_);
  config::OptionTarget<LmtpOptions> own(kRows, options);
  config::apply_settings(instance.settings, {&generic, &own}, context.diagnostics,
                         "lmtp transport");
  if (options.socket.is_set == options.command.is_set) {
    context.diagnostics.error(
        instance.place, "set either socket or command for the " + instance.name + " transport");
  }
  transport->socket_ = context.expansion(options.socket);
  if (options.command.is_set)
    transport->words_ = compile_command(options.command.text, false, context);
  return transport;
}

LmtpTransport::Plan LmtpTransport::plan(const LocalDelivery& delivery) const {
  Plan out;
  if (own_.socket.is_set) {
    acl::EvalResult socket = socket_.evaluate(delivery.evaluation);
    if (!socket.ok()) {
      out.problem = "Expansion of \"" + std::string(socket_.source()) + "\" (socket setting for " +
                    name_ + " transport) failed: " + socket.text;
    } else if (socket.tainted) {
      out.problem = "Tainted '" + escape_control(socket.text) + "' (socket for " + name_ +
                    " transport) not permitted";
    }
    out.socket = std::move(socket.text);
    return out;
  }
  plan_command(delivery, out);
  return out;
}

void LmtpTransport::plan_command(const LocalDelivery& delivery, Plan& out) const {
  ExpandedCommand command =
      expand_command(words_, delivery.addresses, name_ + " transport", delivery.evaluation);
  out.problem = std::move(command.problem);
  out.arguments = std::move(command.arguments);
  if (!out.problem.empty()) return;
  if (out.arguments.empty() || !out.arguments.front().starts_with('/'))
    out.problem = "the command of the " + name_ + " transport is no absolute path";
}

Task<DeliveryOutcome> LmtpTransport::deliver(Loop& loop, LocalDelivery delivery) const {
  smtp::ClientRecipient recipient;
  recipient.address =
      delivery.recipients.empty() ? std::string(delivery.address) : delivery.recipients.front();
  std::vector<smtp::ClientRecipient> all{std::move(recipient)};
  std::vector<DeliveryOutcome> outcomes =
      co_await deliver_batch(loop, std::move(delivery), std::move(all));
  co_return std::move(outcomes.front());
}

Task<std::vector<DeliveryOutcome>> LmtpTransport::deliver_batch(
    Loop& loop, LocalDelivery delivery, std::vector<smtp::ClientRecipient> recipients) const {
  const size_t count = recipients.size();
  auto planning = [&] { return plan(delivery); };
  Plan what = co_await on_fiber(planning);
  if (!what.problem.empty())
    co_return std::vector<DeliveryOutcome>(count, deferral(std::move(what.problem)));
  ProcessOptions process;
  process.arguments = what.arguments;
  process.timeout = Millis{INT32_MAX};
  process.directory = delivery.directory;
  process.output_bytes_max = kCommandErrorBytesMax;
  if (!what.arguments.empty()) {
    const Result<std::optional<RunAs>> who = co_await run_as(loop, *this, delivery);
    if (!who) co_return std::vector<DeliveryOutcome>(count, deferral(who.error().detail()));
    if (*who) become(**who, process);
  }
  Command command(loop, std::move(process));
  Result<std::unique_ptr<UvStream>> stream = Error(Errc::not_found);
  if (what.arguments.empty()) {
    stream = co_await connect_unix(loop, what.socket);
  } else {
    stream = command.start();
  }
  std::vector<DeliveryOutcome> out;
  if (stream) {
    smtp::Transaction transaction;
    transaction.sender = delivery.return_path;
    transaction.recipients = std::move(recipients);
    for (smtp::ClientRecipient& recipient : transaction.recipients)
      recipient.ignore_quota = own_.ignore_quota;
    transaction.body_bytes = delivery.content.message_bytes();
    if (delivery.envelope.body_8bit) transaction.body = smtp::BodyKind::eight_bit_mime;
    transaction.smtputf8 = delivery.envelope.smtputf8;
    const acl::ServerFacts* server = delivery.evaluation.server;
    LmtpSession session(loop, **stream, server == nullptr ? "" : server->primary_hostname,
                        own_.timeout);
    out = co_await session.run(std::move(transaction), delivery.content);
    (*stream)->close();
  } else {
    out.assign(count, unreachable("Failed to connect to socket " + what.socket + " for " + name_ +
                                  " transport: " + system_text(stream.error())));
  }
  command.stop();
  co_await command.end();
  // A command that could not be run has said nothing.
  const bool is_mute = !command.problem().empty() && out.front().kind == OutcomeKind::deferred;
  if (is_mute) out.assign(count, unreachable("cannot run the command: " + command.problem()));
  co_return out;
}

}  // namespace godwit::delivery
