#include "delivery/queue/host_events.h"

#include <utility>

namespace godwit::delivery {

Task<void> tell(EventSink* sink, std::string name, std::shared_ptr<const RemoteInfo> remote,
                std::string data, int error_number) {
  if (sink == nullptr || remote == nullptr) co_return;
  acl::EventFacts event{std::move(name), std::move(data), error_number};
  co_await sink->raise(std::move(event), *remote);
}

Task<std::string> HostEvents::raise(acl::EventFacts event, const RemoteInfo& remote) {
  acl::AddressFacts address;
  address.transport_name = transport_.name();
  address.host = remote.host_name;
  address.host_address = remote.endpoint.address.to_string();
  address.host_port = remote.endpoint.port;
  acl::EvalContext evaluation;
  evaluation.services = services_.evaluators;
  evaluation.server = &services_.server;
  evaluation.address = &address;
  evaluation.now = services_.loop.clock().wall();
  if (!remote.tls.cipher.empty()) evaluation.tls_out = &remote.tls;
  std::string said =
      co_await transport_.events().raise(std::move(event), evaluation, services_.log);
  co_return said;
}

}  // namespace godwit::delivery
