#include "daemon/address_verifier.h"

#include "core/base/ascii.h"
#include "delivery/route/router.h"
#include "delivery/transport/smtp_transport.h"

#include <utility>

namespace godwit::daemon {
namespace {

using Answer = acl::AddressVerifier::Answer;
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
  query.now = context.now;
  return query;
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
  const std::string_view view = address;
  const delivery::RouteQuery query = query_for(context, view.substr(0, at), view.substr(at + 1));
  const delivery::RouteResult route = config_->delivery->routers->route(query, hosts_);
  switch (route.status) {
    case delivery::RouteStatus::failed:
      return not_routed(Verdict::failed, route.message);
    case delivery::RouteStatus::deferred:
    case delivery::RouteStatus::frozen:
      return not_routed(Verdict::deferred, route.message);
    case delivery::RouteStatus::routed:
      break;
  }
  Answer answer;
  answer.verdict = Verdict::ok;
  if (question.callout && route.hosts && route.transport >= 0) {
    const delivery::Transport* transport = config_->delivery->transports->at(route.transport);
    if (transport->is_remote()) {
      const CalloutQuestion asked{address, question.is_sender, *question.callout, *route.hosts,
                                  static_cast<const delivery::SmtpTransport&>(*transport)};
      answer = callouts_.ask(asked, context);
    }
  }
  answer.address_data = route.address_data;
  return answer;
}

}  // namespace godwit::daemon
