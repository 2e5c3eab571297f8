#include "daemon/quota_check.h"

#include "core/io/fiber.h"
#include "daemon/callout_record.h"
#include "delivery/queue/local_scene.h"
#include "delivery/route/route_facts.h"
#include "delivery/transport/local_text.h"

#include <algorithm>

namespace godwit::daemon {
namespace {

using Verdict = acl::AddressVerifier::Verdict;

std::string key_of(const std::string& address) {
  return "quota/" + address;
}

QuotaCheck::Answer refused(const char* why) {
  QuotaCheck::Answer out;
  out.verdict = Verdict::failed;
  out.failure_kind = "quota";
  out.log_message = why;
  return out;
}

QuotaCheck::Answer accepted() {
  QuotaCheck::Answer out;
  out.verdict = Verdict::ok;
  return out;
}

}  // namespace

std::optional<QuotaCheck::Answer> QuotaCheck::known(const std::string& address,
                                                    const acl::QuotaOptions& options,
                                                    const acl::EvalContext& context,
                                                    hints::Database& cache) const {
  const std::optional<std::string> text = cache.get(key_of(address));
  const std::optional<CalloutRecord> record = text ? CalloutRecord::decoded(*text) : std::nullopt;
  if (!record) return std::nullopt;
  const bool is_full = record->result == Known::rejects;
  const Seconds life = is_full ? options.negative : options.positive;
  if (context.now.seconds() - record->seconds >= life.count) return std::nullopt;
  return is_full ? refused("Previous (cached) quota verification failure") : accepted();
}

QuotaCheck::Answer QuotaCheck::ask(const std::string& address, const delivery::RoutedTree& tree,
                                   acl::EvalContext& context, hints::Database& cache) const {
  const auto is_full = [&](const delivery::RoutedAddress& routed) {
    return is_over(routed, context);
  };
  const bool is_refused = std::ranges::any_of(tree.addresses, is_full);
  CalloutRecord record;
  record.seconds = context.now.seconds();
  record.result = is_refused ? Known::rejects : Known::accepts;
  cache.put(key_of(address), record.encoded());
  return is_refused ? refused("Over quota") : accepted();
}

bool QuotaCheck::is_over(const delivery::RoutedAddress& routed,
                         const acl::EvalContext& context) const {
  const delivery::RouteResult& route = routed.result;
  const bool is_routed = route.status == delivery::RouteStatus::routed && route.transport >= 0;
  if (!is_routed || !Fiber::is_current()) return false;
  const delivery::Transport* transport = config_.delivery->transports->at(route.transport);
  if (transport->is_remote()) return false;
  delivery::LocalScene scene;
  scene.address = delivery::facts_of(route);
  scene.address.original_local_part = routed.local_part;
  scene.address.original_domain = routed.domain;
  scene.address.transport_name = transport->name();
  acl::EvalContext& evaluation = scene.evaluation;
  evaluation = context;  // with its variables
  evaluation.address = &scene.address;
  evaluation.domain_data = route.properties.domain_data;
  evaluation.local_part_data = route.properties.local_part_data;
  delivery::DeliveryOutcome trouble;
  const bool has_place = delivery::expand_directories(*transport, route, scene.address, evaluation,
                                                      scene.directory, trouble);
  if (!has_place) return false;
  const delivery::LocalRecipient recipient{scene.address.local_part,
                                           scene.address.domain,
                                           routed.address,
                                           evaluation,
                                           context.now,
                                           route.user,
                                           route.group,
                                           route.initgroups,
                                           config_.delivery->never_users};
  const int64_t size = context.message == nullptr ? 0 : std::max<int64_t>(context.message->size, 0);
  return wait_for(transport->is_over_quota(loop_, recipient, static_cast<uint64_t>(size)));
}

}  // namespace godwit::daemon
