#include "daemon/address_verifier.h"

#include "core/base/ascii.h"
#include "delivery/route/verify.h"
#include "delivery/transport/smtp_transport.h"
#include "protocol/message/address_syntax.h"

#include <utility>

namespace godwit::daemon {
namespace {

using Answer = acl::AddressVerifier::Answer;
using Question = acl::AddressVerifier::Question;
using Verdict = acl::AddressVerifier::Verdict;

Answer not_routed(Verdict verdict, std::string message) {
  Answer out;
  out.verdict = verdict;
  out.failure_kind = "route";
  out.log_message = message;
  out.user_message = std::move(message);
  return out;
}

delivery::RouteQuery query_for(const acl::EvalContext& context, std::string_view local_part,
                               std::string_view domain) {
  delivery::RouteQuery query;
  query.local_part = std::string(local_part);
  query.domain = to_lower(domain);
  query.sender = context.message == nullptr ? std::string() : context.message->sender_address;
  query.services = context.services;
  query.server = context.server;
  query.connection = context.connection;
  query.message = context.message;
  query.message_variables = context.message_variables;
  query.connection_variables = context.connection_variables;
  query.trace = context.trace;
  query.now = context.now;
  return query;
}

// The address that the hosts are asked about, as the options of a transport see it.
acl::AddressFacts callout_facts(const Question& question, const delivery::VerifyAnswer& route,
                                const std::string& transport_name) {
  acl::AddressFacts facts;
  facts.local_part = route.local_part;
  facts.domain = route.domain;
  facts.local_part_prefix = route.prefix;
  facts.local_part_suffix = route.suffix;
  const auto set_parts = [](std::string_view address, std::string& local_part,
                            std::string& domain) {
    const message::AddressParts parts = message::split_address(address);
    local_part = to_lower(parts.local_part);
    domain = to_lower(parts.domain);
  };
  const bool is_generated = !route.parent.empty();
  set_parts(is_generated ? question.address : route.address, facts.original_local_part,
            facts.original_domain);
  if (is_generated) set_parts(route.parent, facts.parent_local_part, facts.parent_domain);
  facts.address_data = route.properties.address_data;
  facts.variables = route.properties.variables;
  facts.transport_name = transport_name;
  return facts;
}

}  // namespace

Answer RoutedAddresses::verify(const Question& question, acl::EvalContext& context) {
  std::string address = question.address;
  size_t at = address.rfind('@');
  if (at == std::string::npos) {
    const acl::ConnectionFacts* client = context.connection;
    const bool may =
        client == nullptr || !client->sender_host ||
        (question.is_sender ? client->unqualified_sender : client->unqualified_recipient);
    if (!may) {
      Answer out = not_routed(Verdict::failed, "unqualified address not permitted");
      out.failure_kind = "qualify";
      return out;
    }
    const acl::ServerFacts& server = config_->facts;
    at = address.size();
    address += "@" + (question.is_sender ? server.qualify_domain : server.qualify_recipient);
  }
  if (question.quota) {
    std::optional<Answer> kept =
        quotas_.known(address, *question.quota, context, callouts_.cache());
    if (kept) return std::move(*kept);
  }
  const std::string_view view = address;
  delivery::RouteQuery query = query_for(context, view.substr(0, at), view.substr(at + 1));
  query.purpose = question.is_sender ? delivery::RoutePurpose::verify_sender
                                     : delivery::RoutePurpose::verify_recipient;
  const delivery::VerifyAnswer route = delivery::verify_address(
      *config_->delivery->routers, address, query, question.success_on_redirect, hosts_);
  Answer answer;
  if (route.verdict == delivery::VerifyVerdict::ok) {
    answer.verdict = Verdict::ok;
    if (question.quota) return quotas_.ask(address, route.tree, context, callouts_.cache());
    if (question.callout && route.hosts && route.transport >= 0)
      answer = call(question, route, context);
  } else {
    const bool is_failure = route.verdict == delivery::VerifyVerdict::failed;
    answer = not_routed(is_failure ? Verdict::failed : Verdict::deferred, route.text);
    if (!is_failure && !route.text_is_for_client) answer.user_message.clear();
  }
  answer.address_data = route.properties.address_data;
  return answer;
}

Answer RoutedAddresses::call(const Question& question, const delivery::VerifyAnswer& route,
                             acl::EvalContext& context) {
  const delivery::Transport* transport = config_->delivery->transports->at(route.transport);
  if (!transport->is_remote()) {
    Answer answer;
    answer.verdict = Verdict::ok;
    return answer;
  }
  const CalloutQuestion asked{route.address,
                              callout_facts(question, route, transport->name()),
                              route.properties.domain_data,
                              route.properties.local_part_data,
                              question.is_sender,
                              *question.callout,
                              *route.hosts,
                              static_cast<const delivery::SmtpTransport&>(*transport)};
  return callouts_.ask(asked, context);
}

}  // namespace godwit::daemon
