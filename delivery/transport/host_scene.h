// HostScene: what options of a transport are evaluated with where there is a host and no message.
// Does not move: the evaluation refers to the address.
#pragma once

#include "acl/expand/context.h"
#include "core/base/ip_address.h"

#include <string>

namespace godwit::delivery {

struct HostScene {
  // `services` has the evaluators, the facts of this server and the loop; what it refers to
  // outlives the scene.
  template <class Services>
  HostScene(const Services& services, const std::string& name, const Endpoint& at) {
    address.host = name;
    address.host_address = at.address.to_string();
    address.host_port = at.port;
    evaluation.services = services.evaluators;
    evaluation.server = &services.server;
    evaluation.address = &address;
    evaluation.now = services.loop.clock().wall();
  }
  HostScene(const HostScene&) = delete;
  HostScene& operator=(const HostScene&) = delete;

  acl::AddressFacts address;
  acl::EvalContext evaluation;
};

}  // namespace godwit::delivery
