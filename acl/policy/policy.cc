#include "acl/policy/policy.h"

#include "core/base/assert.h"

namespace godwit::acl {
namespace {

using config::Diagnostics;
using config::ExpandText;
using config::LocatedText;
using config::MainOptions;

struct AclOption {
  AclWhere where;
  ExpandText config::AclOptions::*option;
};
using O = config::AclOptions;
constexpr auto kAclOptions = std::to_array<AclOption>({
    {AclWhere::connect, &O::acl_smtp_connect},
    {AclWhere::helo, &O::acl_smtp_helo},
    {AclWhere::auth, &O::acl_smtp_auth},
    {AclWhere::mail, &O::acl_smtp_mail},
    {AclWhere::mailauth, &O::acl_smtp_mailauth},
    {AclWhere::rcpt, &O::acl_smtp_rcpt},
    {AclWhere::predata, &O::acl_smtp_predata},
    {AclWhere::data, &O::acl_smtp_data},
    {AclWhere::mime, &O::acl_smtp_mime},
    {AclWhere::dkim, &O::acl_smtp_dkim},
    {AclWhere::prdr, &O::acl_smtp_data_prdr},
    {AclWhere::etrn, &O::acl_smtp_etrn},
    {AclWhere::expn, &O::acl_smtp_expn},
    {AclWhere::vrfy, &O::acl_smtp_vrfy},
    {AclWhere::starttls, &O::acl_smtp_starttls},
    {AclWhere::quit, &O::acl_smtp_quit},
    {AclWhere::notquit, &O::acl_smtp_notquit},
    {AclWhere::not_smtp, &O::acl_not_smtp},
    {AclWhere::not_smtp_start, &O::acl_not_smtp_start},
    {AclWhere::wellknown, &O::acl_smtp_wellknown},
    {AclWhere::atrn, &O::acl_smtp_atrn},
});
static_assert(kAclOptions.size() == kAclWhereCount);

std::optional<ListKind> list_kind_of(const config::OptionValue& value) {
  if (std::holds_alternative<config::DomainListText*>(value)) return ListKind::domain;
  if (std::holds_alternative<config::HostListText*>(value)) return ListKind::host;
  if (std::holds_alternative<config::AddressListText*>(value)) return ListKind::address;
  if (std::holds_alternative<config::LocalPartListText*>(value)) return ListKind::local_part;
  return std::nullopt;
}

const config::ConfigText& text_of(const config::OptionValue& value) {
  const auto as_text = [](auto* field) -> const config::ConfigText* {
    if constexpr (std::is_convertible_v<decltype(field), const config::ConfigText*>) {
      return field;
    } else {
      return nullptr;
    }
  };
  const config::ConfigText* text = std::visit(as_text, value);
  GODWIT_ASSERT(text != nullptr);
  return *text;
}

}  // namespace

const Expansion& CompiledPolicy::expansion(std::string_view option) const {
  const auto found = expansions_.find(option);
  GODWIT_ASSERT(found != expansions_.end());
  return found->second;
}

const ListPattern& CompiledPolicy::list(std::string_view option) const {
  const auto found = option_lists_.find(option);
  GODWIT_ASSERT(found != option_lists_.end());
  return *found->second;
}

// Lists and strings of main options. What does not act yet is checked for its names, but may use
// what is not available yet.
class OptionCompiler {
 public:
  OptionCompiler(CompiledPolicy& policy, Diagnostics& diagnostics)
      : policy_(policy), diagnostics_(diagnostics) {}

  void run() {
    for (const auto& row : config::main_option_rows()) {
      const config::OptionValue value = std::visit(
          [&](auto member) { return config::OptionValue(&(policy_.options_.*member)); }, row.field);
      const bool tolerate = row.effect != config::Effect::now;
      if (const auto kind = list_kind_of(value)) {
        add_list(row.name, *kind, text_of(value), tolerate);
      } else if (std::holds_alternative<ExpandText*>(value)) {
        add_expansion(row.name, text_of(value), tolerate);
      }
    }
  }

 private:
  void add_list(std::string_view name, ListKind kind, const config::ConfigText& text,
                bool tolerate) {
    const ListOptions options{true, tolerate, std::string(name)};
    auto list = policy_.lists_->compile(kind, text.text, options, diagnostics_);
    if (!list) list = policy_.lists_->compile(kind, LocatedText(), {}, diagnostics_);
    policy_.option_lists_.emplace(name, std::move(list));
  }

  void add_expansion(std::string_view name, const config::ConfigText& text, bool tolerate) {
    Expansion expansion;
    // The text of an ACL option may be an ACL; Acls::compile_call reads it.
    const bool is_acl = name.starts_with("acl_");
    if (!is_acl) {
      CompileOptions options;
      options.lists = policy_.lists_.get();
      options.tolerate_unavailable = tolerate;
      expansion = compile_expansion(text.text, options, diagnostics_).value_or(Expansion());
    }
    policy_.expansions_.emplace(name, std::move(expansion));
  }

  CompiledPolicy& policy_;
  Diagnostics& diagnostics_;
};

std::shared_ptr<const CompiledPolicy> compile_policy(const config::ConfigDocument& document,
                                                     Diagnostics& diagnostics) {
  auto policy = std::make_shared<CompiledPolicy>();
  policy->options_ = config::apply_main_options(document, diagnostics);
  policy->lists_ = NamedLists::compile_all(document, diagnostics);
  policy->acls_ = Acls::compile(document, policy->lists_, diagnostics);
  OptionCompiler(*policy, diagnostics).run();
  policy->events_.add("event_action", {}, policy->expansion("event_action"));
  for (const AclOption& row : kAclOptions) {
    const ExpandText& text = policy->options_.*row.option;
    AclCall& call = policy->calls_[static_cast<size_t>(row.where)];
    if (text.is_set) call = policy->acls_->compile_call(text.text, row.where, diagnostics);
  }
  return policy;
}

}  // namespace godwit::acl
