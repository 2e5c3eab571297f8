#include "daemon/services.h"

#include <utility>

namespace godwit::daemon {

EvaluatorServices::EvaluatorServices(Loop& loop, std::shared_ptr<const ServerConfig> config)
    : config_(std::move(config)) {
  services_.loop = &loop;
  services_.lists = config_->policy->lists().get();
}

}  // namespace godwit::daemon
