// Routing the recipients of an attempt, each on a fiber: routers and hosts of transports may wait.
#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "delivery/queue/attempt.h"
#include "delivery/queue/limits.h"
#include "delivery/queue/log_lines.h"
#include "protocol/message/address_syntax.h"
#include "protocol/message/fixups.h"
#include "protocol/message/line_ends.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

Task<void> DeliveryAttempt::route_all() {
  message_.entry.waits_for_run = false;
  // Routers add to the recipients while this goes on.
  for (size_t at = 0; at < recipients_.size(); ++at) {
    if (recipients_[at].state != State::pending || recipients_[at].route.router != nullptr)
      continue;
    if (is_duplicate(at)) continue;
    co_await yield_if_late(queue_.services_.loop);
    co_await route(at);
  }
  for (size_t at = 0; at < recipients_.size(); ++at) {
    if (recipients_[at].state != State::pending) continue;
    co_await yield_if_late(queue_.services_.loop);
    co_await transport_hosts(recipients_[at]);
  }
}

Task<void> DeliveryAttempt::route(size_t at) {
  Recipient& recipient = recipients_[at];
  const WallTime now = queue_.services_.loop.clock().wall();
  if (looks_at_hints() && (waits_for(recipient, "R:" + recipient.domain) ||
                           waits_for(recipient, "R:" + recipient.address)))
    co_return;
  const config::MainOptions& options = queue_.config_->options();
  if (co_await is_held(recipient, "hold_domains", options.hold_domains.is_set)) {
    hold(recipient, "domain is held", now + kRoutingRetry);
    co_return;
  }
  const bool waits = !message_.entry.in_run;
  if (waits && co_await is_held(recipient, "queue_domains", options.queue_domains.is_set)) {
    hold(recipient, "domain is in queue_domains", kNotBeforeQueueRun);
    co_return;
  }
  if (copy_route(recipient)) {
    if (looks_at_hints()) waits_for(recipient, delivery_key(recipient));
    co_return;
  }
  recipient.route = co_await ask_routers(at);
  if (!recipient.route.notices.empty()) co_await tell_notices(recipient.route);
  if (recipient.route.status != RouteStatus::deferred)
    queue_.keeper_.succeeded(routing_key(recipient));
  if (recipient.route.copy_starts >= 0) {
    add_copy(at);
  } else {
    take_route(at);
  }
}

// The first attempt is made whatever happened to others: one bad message shall not hold back the
// rest. After that its retry times count.
bool DeliveryAttempt::looks_at_hints() const noexcept {
  return (message_.entry.tried || message_.entry.in_run) && !message_.entry.forced;
}

// True, and the recipient deferred, where the retry time of `key` has not come.
bool DeliveryAttempt::waits_for(Recipient& recipient, const std::string& key) {
  retry::RetryKeeper::Subject subject;
  subject.key = key;
  subject.rule_key = key.find('@') == std::string::npos ? std::string_view(recipient.domain)
                                                        : std::string_view(recipient.address);
  subject.sender = facts_.sender_address;
  subject.received = message_.envelope.received;
  const WallTime now = queue_.services_.loop.clock().wall();
  const retry::RetryKeeper::Standing standing = queue_.keeper_.standing(subject, now);
  if (standing.is_known)
    acl::tell(trace_,
              {acl::TraceKind::retry, {}, key, standing.waits ? "waits" : "may be tried", {}});
  if (!standing.waits) return false;
  recipient.state = State::deferred;
  if (recipient.route.router == nullptr) recipient.route.properties = recipient.inherited;
  const bool is_local = key.starts_with("T:");
  recipient.outcome.error_number = is_local ? kErrorLocalRetry : kErrorRoutingRetry;
  recipient.outcome.text = is_local ? "Retry time not yet reached" : "retry time not reached";
  recipient.outcome.next_try = standing.next_try;
  recipient.outcome.expires = standing.expires;
  recipient.outcome.retry_until = standing.retry_until;
  if (queue_.config_->options().log_selector.has(config::LogSelector::retry_defer))
    log_deferred(recipient);
  return true;
}

Task<bool> DeliveryAttempt::is_held(Recipient& recipient, std::string_view option, bool is_set) {
  if (!is_set || message_.entry.forced) co_return false;
  const acl::ListPattern& list = queue_.config_->policy->list(option);
  const acl::AddressFacts address = address_facts(recipient);
  acl::EvalContext evaluation = evaluation_of(address);
  auto asking = [&] {
    return list.match({recipient.domain, std::nullopt, {}}, evaluation).match != acl::Match::no;
  };
  const bool matches = co_await on_fiber(asking);
  co_return matches;
}

void DeliveryAttempt::hold(Recipient& recipient, std::string text, WallTime until) {
  recipient.state = State::deferred;
  recipient.route.properties = recipient.inherited;
  recipient.outcome.text = std::move(text);
  recipient.outcome.next_try = until;
  if (until == kNotBeforeQueueRun) message_.entry.waits_for_run = true;
  ++queue_.stats_.deferred;
  log_deferred(recipient);
}

Task<RouteResult> DeliveryAttempt::ask_routers(size_t at) {
  const Recipient& recipient = recipients_[at];
  const std::vector<RouteAncestor> ancestors = ancestors_of(at);
  RouteQuery query;
  query.local_part = recipient.local_part;
  query.domain = recipient.domain;
  query.sender = message_.sender();
  query.services = queue_.services_.evaluators;
  query.server = &queue_.services_.server;
  query.connection = &connection_facts_;
  query.message = &facts_;
  query.message_variables = &message_variables_;
  query.connection_variables = &connection_variables_;
  query.trace = trace_;
  query.now = queue_.services_.loop.clock().wall();
  query.parent = ancestors.empty() ? nullptr : &ancestors.front();
  query.start_router = recipient.start_router;
  query.properties = recipient.inherited;
  RouteResult result;
  if (ancestors.size() > kRedirectDepthMax) {
    result.status = RouteStatus::failed;
    result.message = "too many redirections of one address";
    co_return result;
  }
  auto routing = [&] { return queue_.config_->routers->route(query, queue_.services_.hosts); };
  result = co_await on_fiber(routing);
  co_return result;
}

Task<void> DeliveryAttempt::tell_notices(const RouteResult& route) {
  for (const RouterNotice& notice : route.notices) {
    for (const std::string& line : notice.log_lines)
      queue_.services_.log.main(LogEvent::note, facts_.id, line);
    if (notice.to.empty()) continue;
    const WallTime now = queue_.services_.loop.clock().wall();
    std::string body;
    message::append_with_crlf(notice.body, body);
    const std::string headers =
        "From: Mail Delivery System <mailer-daemon@" + queue_.services_.server.qualify_domain +
        ">\r\nTo: " + notice.to +
        "\r\nSubject: error(s) in forwarding or filtering\r\nAuto-Submitted: auto-generated\r\n" +
        message::date_field(now, false, false);
    std::vector<std::string> to{notice.to};
    const std::string nobody;
    const Result<void> sent =
        co_await queue_.inject_message(nobody, std::move(to), headers, std::move(body), facts_.id);
    if (!sent)
      queue_.services_.log.panic(LogEvent::configuration, facts_.id, sent.error().to_string());
  }
}

// What the routers said becomes the state of the recipient.
void DeliveryAttempt::take_route(size_t at) {
  Recipient& recipient = recipients_[at];
  switch (recipient.route.status) {
    case RouteStatus::routed: {
      if (looks_at_hints() && waits_for(recipient, delivery_key(recipient))) return;
      const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
      if (transport->is_remote() || recipient.route.router->options().caseful_local_part) return;
      // Local mailboxes are the same whatever the case of letters.
      const std::string name = to_lower(recipient.address) + "\n" + transport->name();
      const auto [first, is_new] = first_local_.emplace(name, at);
      // A copy for another router, and an address redirected to itself, are wanted.
      const bool is_own = recipient.index == recipients_[first->second].index;
      if (is_new || is_own) return;
      recipient.state = State::duplicate;
      recipients_[first->second].duplicates.push_back(at);
      return;
    }
    case RouteStatus::redirected:
      if (recipient.route.rewrites_headers) change_header_domain(recipient);
      expand(at);
      return;
    case RouteStatus::discarded: {
      recipient.state = State::discarded;
      const std::string line =
          "=> :blackhole: <" + recipient.address + "> R=" + recipient.route.router->name();
      if (!recipient.route.router->options().disable_logging)
        queue_.services_.log.main(LogEvent::delivery, facts_.id, line);
      Done done;
      mark_done(at, done);
      record(done);
      return;
    }
    case RouteStatus::failed:
    case RouteStatus::deferred:
    case RouteStatus::frozen:
      settle_unroutable(recipient);
      return;
  }
}

// Also for those that are delivered later.
void DeliveryAttempt::change_header_domain(const Recipient& recipient) {
  const std::string& to = recipient.route.children.front().domain;
  std::string change = recipient.domain + " " + to;
  std::vector<std::string>& changes = message_.entry.need_progress().header_domains;
  if (std::find(changes.begin(), changes.end(), change) != changes.end()) return;
  apply_header_domain(recipient.domain, to);
  queue_.services_.store->update(message_.entry.ref,
                                 encode_text(ChangeKind::header_domain, change));
  changes.push_back(std::move(change));
}

void DeliveryAttempt::apply_header_domain(std::string_view from, std::string_view to) {
  std::optional<std::string> section =
      rewrite::change_domain(message_.content.header_section(), from, to);
  if (!section) return;
  message_.content = message_.content.with_headers(std::move(*section));
  note_headers();
}

void DeliveryAttempt::note_headers() {
  facts_.headers = message_.content.header_section();
  std::erase(facts_.headers, '\r');
  facts_.lines =
      std::count(facts_.headers.begin(), facts_.headers.end(), '\n') + 1 + facts_.body_lines;
}

void DeliveryAttempt::settle_unroutable(Recipient& recipient) {
  recipient.route.properties = recipient.inherited;
  recipient.outcome.text = recipient.route.message;
  if (recipient.outcome.text.empty()) recipient.outcome.text = "forced rejection";
  if (recipient.route.status == RouteStatus::failed) {
    recipient.state = State::failed;
    recipient.outcome.kind = OutcomeKind::failed;
    log_failed(recipient);
    return;
  }
  if (recipient.route.status == RouteStatus::frozen) freeze_ = true;
  recipient.outcome.error_number = -1;
  recipient.outcome.scope = FailureScope::recipient;
  settle_deferral(recipient);
}

// same_domain_copy_routing: what an earlier recipient of the domain got.
bool DeliveryAttempt::copy_route(Recipient& recipient) const {
  for (const Recipient& other : recipients_) {
    if (&other == &recipient) return false;
    if (other.domain != recipient.domain || other.state != State::pending) continue;
    const Router* router = other.route.router;
    if (router == nullptr || !router->copies_same_domain() ||
        other.route.status != RouteStatus::routed || other.route.domain != other.domain)
      continue;
    if (other.route.copy_starts >= 0 || recipient.parent != kNone || other.parent != kNone)
      continue;
    recipient.route = other.route;
    recipient.route.local_part = message::unquote_local_part(recipient.local_part);
    return true;
  }
  return false;
}

namespace {

// Why `hosts` of a transport, which gave `names`, led nowhere.
void explain_no_hosts(const SmtpTransport& transport, const acl::EvalResult& names,
                      DeliveryOutcome& outcome) {
  const std::vector<std::string> items = config::split_list(names.ok() ? names.text : "");
  outcome.error_number = -1;
  if (!transport.smtp().hosts.is_set) {
    outcome.text = transport.name() + " transport called with no hosts set";
  } else if (!names.ok()) {
    outcome.text = "failed to expand list of hosts \"" + std::string(transport.hosts().source()) +
                   "\" in " + transport.name() + " transport: " + names.text;
  } else if (items.empty() || items.back().empty()) {
    outcome.text = transport.name() + " transport has empty hosts setting";
  } else {
    outcome.error_number = kErrorHostLookup;
    outcome.text = "failed to lookup IP address for " + parse_route_host(items.back(), 0).name;
  }
}

}  // namespace

// Where the router gave no hosts, or the transport insists on its own.
Task<void> DeliveryAttempt::transport_hosts(Recipient& recipient) {
  const Transport* transport = queue_.config_->transports->at(recipient.route.transport);
  if (!transport->is_remote()) co_return;
  const bool is_set = queue_.config_->options().queue_smtp_domains.is_set;
  if (!message_.entry.in_run && co_await is_held(recipient, "queue_smtp_domains", is_set)) {
    hold(recipient, "domain is in queue_smtp_domains", kNotBeforeQueueRun);
    co_return;
  }
  const auto* smtp = static_cast<const SmtpTransport*>(transport);
  const bool wanted = recipient.route.hosts == nullptr ||
                      (smtp->smtp().hosts_override && smtp->smtp().hosts.is_set);
  if (!wanted) co_return;
  auto finding = [&] { return find_transport_hosts(recipient, *smtp); };
  SharedHostList list = co_await on_fiber(finding);
  if (list != nullptr) {
    recipient.route.hosts = std::move(list);
    co_return;
  }
  const acl::AddressFacts address = address_facts(recipient);
  acl::EvalContext evaluation = evaluation_of(address);
  auto asking = [&] { return smtp->hosts().evaluate(evaluation); };
  const acl::EvalResult names = co_await on_fiber(asking);
  explain_no_hosts(*smtp, names, recipient.outcome);
  recipient.outcome.scope = FailureScope::recipient;
  settle_deferral(recipient);
}

// Null where there are none.
SharedHostList DeliveryAttempt::find_transport_hosts(const Recipient& recipient,
                                                     const SmtpTransport& transport) {
  const acl::AddressFacts address = address_facts(recipient);
  acl::EvalContext evaluation = evaluation_of(address);
  const acl::EvalResult names = transport.hosts().evaluate(evaluation);
  if (!names.ok()) return nullptr;
  return find_hosts(names.text, transport, evaluation);
}

}  // namespace godwit::delivery
