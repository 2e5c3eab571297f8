// EvaluatorServices: what evaluators (strings, lists, ACLs) may ask in this process, in one place.
// One for each loop: of a worker, or of a command that evaluates. Made by the composition root;
// contexts point to get().
#pragma once

#include "acl/expand/services.h"
#include "core/io/loop.h"
#include "daemon/server_config.h"

#include <memory>

namespace godwit::daemon {

class EvaluatorServices {
 public:
  EvaluatorServices(Loop& loop, std::shared_ptr<const ServerConfig> config);
  EvaluatorServices(const EvaluatorServices&) = delete;
  EvaluatorServices& operator=(const EvaluatorServices&) = delete;

  const acl::Services& get() const noexcept { return services_; }

 private:
  std::shared_ptr<const ServerConfig> config_;
  acl::Services services_;
};

}  // namespace godwit::daemon
