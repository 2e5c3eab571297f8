#include "delivery/queue/freeze_notice.h"

#include "core/base/ascii.h"

#include <utility>
#include <vector>

namespace godwit::delivery {
namespace {

std::vector<std::string> addresses_of(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const std::string_view item = trim(list.substr(0, comma));
    if (!item.empty()) out.emplace_back(item);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return out;
}

}  // namespace

Task<void> tell_frozen(MessageInjector& injector, const DeliveryConfig& config,
                       const DeliveryServices& services, FreezeNotice notice) {
  const std::vector<std::string> addresses = addresses_of(config.options().freeze_tell.text.text());
  if (addresses.empty()) co_return;
  acl::EvalContext evaluation;
  evaluation.server = &services.server;
  evaluation.now = notice.at;
  const std::string from = config.policy->expansion("dsn_from").evaluate(evaluation).text;
  std::string to;
  for (const std::string& address : addresses) to += (to.empty() ? "" : ", ") + address;
  const bool is_utc = config.options().timezone == "UTC";
  const std::string headers = "Date: " + format_rfc5322_time(notice.at, is_utc) +
                              "\r\nFrom: " + from + "\r\nTo: " + to +
                              "\r\nSubject: Message frozen\r\nAuto-Submitted: auto-generated\r\n";
  const std::string body = "Message " + notice.id + " has been frozen.\r\nThe sender is <" +
                           notice.sender + ">.\r\n\r\nIt stays in the queue of " +
                           services.server.primary_hostname + " until it is thawed.\r\n";
  const std::string nobody;
  const Result<void> sent =
      co_await injector.inject_message(nobody, addresses, headers, body, notice.id);
  if (!sent) {
    services.log.panic(
        LogEvent::spool, notice.id,
        "the message of freeze_tell could not be written: " + sent.error().to_string());
  }
}

}  // namespace godwit::delivery
