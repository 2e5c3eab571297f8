#include "delivery/transport/flag_option.h"

#include "core/config/values.h"

namespace godwit::delivery {

FlagOption FlagOption::compile(std::string_view name, const config::ExpandBool& option,
                               bool by_default, const std::string& owner,
                               const TransportCompileContext& context) {
  FlagOption out;
  out.name_ = name;
  out.owner_ = owner;
  out.default_ = by_default;
  const std::string_view text = option.text.view();
  if (text.find('$') != std::string_view::npos) {
    out.expansion_ = context.expansion(option);
    return out;
  }
  out.constant_ = by_default;
  const Result<bool> value = config::parse_bool(text);
  if (value) {
    out.constant_ = *value;
  } else {
    context.diagnostics.error(option.text.begin_place(),
                              "\"" + out.name_ + "\": " + value.error().detail());
  }
  return out;
}

Result<bool> FlagOption::evaluate(acl::EvalContext& evaluation) const {
  if (constant_) return *constant_;
  const acl::EvalResult answer = expansion_.evaluate(evaluation);
  if (answer.status == acl::EvalStatus::forced_fail) return default_;
  if (!answer.ok())
    return Error(Errc::config,
                 "failed to expand \"" + name_ + "\" in " + owner_ + ": " + answer.text);
  const Result<bool> value = config::parse_bool(answer.text);
  if (value) return value;
  return Error(Errc::config, "\"" + answer.text + "\" is not a valid value for the \"" + name_ +
                                 "\" option in the " + owner_);
}

}  // namespace godwit::delivery
