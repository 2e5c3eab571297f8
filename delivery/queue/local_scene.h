// What one transaction of an attempt is evaluated with. Does not move: the evaluation refers to the
// address.
#pragma once

#include "acl/expand/context.h"

#include <string>
#include <vector>

namespace godwit::delivery {

struct LocalScene {
  LocalScene() = default;
  LocalScene(const LocalScene&) = delete;
  LocalScene& operator=(const LocalScene&) = delete;

  acl::AddressFacts address;
  acl::EvalContext evaluation;
  std::vector<std::string> addresses;   // of the batch, in full
  std::vector<std::string> recipients;  // as RCPT says them
  std::string directory;                // where commands run
};

}  // namespace godwit::delivery
