#include "delivery/queue/host_events.h"

#include "delivery/transport/host_scene.h"

#include <utility>

namespace godwit::delivery {

Task<void> tell(EventSink* sink, std::string name, std::shared_ptr<const RemoteInfo> remote,
                std::string data, int error_number) {
  if (sink == nullptr || remote == nullptr) co_return;
  acl::EventFacts event{std::move(name), std::move(data), error_number};
  co_await sink->raise(std::move(event), *remote);
}

Task<std::string> HostEvents::raise(acl::EventFacts event, const RemoteInfo& remote) {
  HostScene scene(services_, remote.host_name, remote.endpoint);
  scene.address.transport_name = transport_.name();
  scene.address.sending = remote.local;
  if (!remote.tls.cipher.empty()) scene.evaluation.tls_out = &remote.tls;
  std::string said =
      co_await transport_.events().raise(std::move(event), scene.evaluation, services_.log);
  co_return said;
}

}  // namespace godwit::delivery
