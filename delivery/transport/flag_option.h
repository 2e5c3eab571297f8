// FlagOption: a boolean option of a transport that may be an expression, of the message or of a
// host. Constants are checked at load. Used by the smtp transport.
#pragma once

#include "acl/expand/expansion.h"
#include "delivery/transport/transport.h"

#include <optional>
#include <string>

namespace godwit::delivery {

class FlagOption {
 public:
  // Errors in what is constant go to the diagnostics. `owner`: "the remote transport".
  static FlagOption compile(std::string_view name, const config::ExpandBool& option,
                            bool by_default, const std::string& owner,
                            const TransportCompileContext& context);

  // Nothing where it is to be evaluated.
  std::optional<bool> constant() const noexcept { return constant_; }
  // A forced failure gives the default. Errors are in the words of the log. On a fiber.
  Result<bool> evaluate(acl::EvalContext& evaluation) const;

 private:
  std::optional<bool> constant_;
  acl::Expansion expansion_;
  std::string name_;
  std::string owner_;
  bool default_ = false;
};

}  // namespace godwit::delivery
