// SmtpSession: commands that ask or order something beside mail (VRFY, EXPN, ETRN; RFC 5321 3.5,
// RFC 1985), and paths that rewriting rules with S change before anybody looks at them.
#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "daemon/smtp_session.h"
#include "delivery/route/verify.h"
#include "protocol/message/address_list.h"

#include <utility>

namespace godwit::daemon {

using acl::AclVerdict;
using acl::AclWhere;
using acl::AddressVerifier;

Task<void> SmtpSession::on_path(std::string_view path) {
  const std::string before(path);
  auto rewriting = [&] {
    return inbound_.config().delivery->rewrite->rewrite(before, rewrite::kSmtp, context());
  };
  const rewrite::Rewritten rewritten = co_await on_fiber(rewriting);
  rewrite::RewriteNotes notes;
  if (!rewritten.problem.empty()) notes.problems.push_back(rewritten.problem);
  notes.changes = rewritten.changes;
  tell_rewriting(notes);
  const std::string after = rewritten.changed ? "<" + rewritten.address + ">" : before;
  engine_.use_path(after);
}

// --- VRFY ----------------------------------------------------------------------------------------

namespace {

smtp::Reply verified_reply(const std::string& address, const AddressVerifier::Answer& answer) {
  const std::string& why = answer.user_message.empty() ? answer.log_message : answer.user_message;
  const std::string name = "<" + address + "> ";
  switch (answer.verdict) {
    case AddressVerifier::Verdict::ok:
      return {250, "2.1.5", name + "is deliverable"};
    case AddressVerifier::Verdict::deferred:
      if (why.empty()) return {451, "4.3.0", "Cannot resolve " + name + "at this time"};
      return {451, "4.3.0", name + why};
    case AddressVerifier::Verdict::failed:
      break;
  }
  return {550, "5.1.1", name + (why.empty() ? "is not deliverable" : why)};
}

}  // namespace

Task<void> SmtpSession::on_vrfy(const std::string& argument) {
  const Result<message::ListedAddress> parsed =
      message::parse_address(argument, message::Utf8::allowed, false);
  if (!parsed) {
    const std::string text = trim(argument).empty() ? "empty address" : parsed.error().detail();
    engine_.reply({501, "5.1.3", text});
    co_return;
  }
  std::string address = parsed->address;
  auto ask_list = [this] { return matches(inbound_.expressions().unqualified_recipient_hosts); };
  if (!parsed->has_domain && !co_await on_fiber(ask_list)) {
    const std::string text = address + ": recipient address must contain a domain";
    engine_.reply({501, "5.1.3", text});
    co_return;
  }
  if (!parsed->has_domain) address += "@" + inbound_.config().facts.qualify_recipient;
  set_address(address);
  Judgement judgement = co_await ask(AclWhere::vrfy, argument);
  if (judgement.verdict != AclVerdict::accept) {
    address_ = acl::AddressFacts();
    if (judgement.drop) {
      engine_.reply_and_close(judgement.reply, {});
    } else {
      engine_.reply(judgement.reply);
    }
    co_return;
  }
  AddressVerifier* verifier = context().services->verifier;
  AddressVerifier::Question question;
  question.address = address;
  auto verifying = [&] { return verifier->verify(question, context()); };
  const AddressVerifier::Answer answer = co_await on_fiber(verifying);
  address_ = acl::AddressFacts();
  if (answer.verdict == AddressVerifier::Verdict::failed)
    log(LogEvent::rejected, "VRFY failed for " + argument + " " + host_text());
  const smtp::Reply reply = verified_reply(address, answer);
  engine_.reply(reply);
}

// --- EXPN ----------------------------------------------------------------------------------------

// What the first router that knows the address makes of it, one level deep: a line for each. The
// argument is taken as it stands.
std::string SmtpSession::expanded(std::string address, uint16_t& code) {
  if (address.find('@') == std::string::npos)
    address += "@" + inbound_.config().facts.qualify_domain;
  const message::AddressParts parts = message::split_address(address);
  const acl::EvalContext& facts = context();
  delivery::RouteQuery query;
  query.local_part = parts.local_part;
  query.domain = to_lower(parts.domain);
  query.services = facts.services;
  query.server = facts.server;
  query.connection = facts.connection;
  query.message = facts.message;
  query.message_variables = facts.message_variables;
  query.connection_variables = facts.connection_variables;
  query.trace = facts.trace;
  query.now = facts.now;
  query.purpose = delivery::RoutePurpose::expn;
  const delivery::RouteResult result =
      inbound_.config().delivery->routers->route(query, inbound_.services().hosts);
  code = 250;
  std::string out;
  switch (result.status) {
    case delivery::RouteStatus::routed:
      return "<" + address + ">";
    case delivery::RouteStatus::discarded:
      return "mail to <" + address + "> is discarded";
    case delivery::RouteStatus::redirected:
      for (const delivery::GeneratedAddress& child : result.children)
        out += (out.empty() ? "<" : "\n<") + child.text + ">";
      return out;
    case delivery::RouteStatus::failed:
      code = 553;
      return address + " is undeliverable";
    case delivery::RouteStatus::deferred:
    case delivery::RouteStatus::frozen:
      break;
  }
  code = 553;
  return address + " cannot be resolved at this time";
}

// What the ACL of a command says; nothing where it refused, and that was answered.
Task<std::optional<SmtpSession::Judgement>> SmtpSession::permission(AclWhere where,
                                                                    const std::string& argument) {
  Judgement judgement = co_await ask(where, argument);
  if (judgement.verdict == AclVerdict::accept) co_return judgement;
  if (judgement.drop) {
    engine_.reply_and_close(judgement.reply, {});
  } else {
    engine_.reply(judgement.reply);
  }
  co_return std::nullopt;
}

Task<void> SmtpSession::on_expn(const std::string& argument) {
  const std::optional<Judgement> permitted = co_await permission(AclWhere::expn, argument);
  if (!permitted) co_return;
  uint16_t code = 250;
  auto expanding = [&] { return expanded(argument, code); };
  const std::string text = co_await on_fiber(expanding);
  const smtp::Reply reply{code, code == 250 ? "2.1.5" : "5.1.1", text};
  engine_.reply(reply);
}

// --- ETRN ----------------------------------------------------------------------------------------

// smtp_etrn_command, else a queue run for the text behind the '#'.
Result<std::vector<std::string>> SmtpSession::etrn_command(const std::string& argument) {
  std::vector<std::string> words;
  if (inbound_.etrn_words().empty()) {
    words = {"/proc/self/exe", "-C", inbound_.config().facts.config_file};
    if (!message_.queue_name.empty()) words.push_back("-qG" + message_.queue_name);
    words.insert(words.end(), {"-R", argument.substr(1)});
    return words;
  }
  acl::AddressFacts before = std::exchange(address_, acl::AddressFacts());
  address_.domain = argument;
  for (const acl::Expansion& word : inbound_.etrn_words()) {
    acl::EvalResult value = word.evaluate(context());
    if (!value.ok() || (words.empty() && value.tainted)) {
      address_ = std::move(before);
      return Error(Errc::config, value.ok() ? "the program comes from outside" : value.text);
    }
    words.push_back(std::move(value.text));
  }
  address_ = std::move(before);
  return words;
}

Task<void> SmtpSession::on_etrn(const std::string& argument) {
  if (selects(config::LogSelector::etrn))
    log(LogEvent::connection, "ETRN " + argument + " received from " + host_text().substr(2));
  const std::optional<Judgement> permitted = co_await permission(AclWhere::etrn, argument);
  if (!permitted) co_return;
  if (inbound_.etrn_words().empty() && !argument.starts_with('#')) {
    engine_.reply({501, "5.5.4", "argument must begin with #"});
    co_return;
  }
  auto making = [&] { return etrn_command(argument); };
  Result<std::vector<std::string>> command = co_await on_fiber(making);
  if (!command) {
    log(LogEvent::configuration, "failed to set up ETRN command: " + command.error().detail(),
        LogFiles::main_and_panic);
    engine_.reply({458, "4.3.0", "Internal failure"});
    co_return;
  }
  const std::string key = inbound_.options().smtp_etrn_serialize ? "etrn-" + argument : "";
  const bool started = origin_.is_test || inbound_.start_etrn(std::move(*command), key);
  if (!started) {
    const std::string text =
        "Already processing " + (inbound_.etrn_words().empty() ? argument.substr(1) : argument);
    engine_.reply({458, "4.3.0", text});
    co_return;
  }
  const smtp::Reply reply{250, "2.0.0", permitted->message.empty() ? "OK" : permitted->message};
  engine_.reply(reply);
}

}  // namespace godwit::daemon
