// The compiler of ACLs: lines in, statements out, with every name and place checked at load.
#include "acl/policy/conditions.h"
#include "acl/policy/run.h"
#include "acl/policy/statement.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/rows.h"
#include "core/config/values.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace godwit::acl {

namespace {

using config::add_names;
using config::Diagnostics;
using config::did_you_mean;
using config::find_row;
using config::hint_from;
using config::LocatedText;

size_t word_length(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && (is_alnum(text[length]) || text[length] == '_')) ++length;
  return length;
}

}  // namespace

// Compiles one ACL after the other against the names of all.
class AclCompiler {
 public:
  AclCompiler(const Acls& acls, Diagnostics& diagnostics)
      : acls_(acls), diagnostics_(diagnostics) {}

  void compile(const std::vector<LocatedText>& lines, CompiledAcl& acl) {
    for (const LocatedText& line : lines) take_line(line, acl);
  }

  AclCall compile_call(const LocatedText& text) {
    AclCall call;
    const LocatedText value = text.trimmed();
    auto expansion = compile_expansion(value, compile_options(), diagnostics_);
    if (!expansion) return call;
    call.text_ = std::move(*expansion);
    call.is_set_ = true;
    const size_t length = word_length(value.view());
    const std::string_view name = value.view().substr(0, length);
    const bool whole_word = length == value.size() || is_space(value[length]);
    const auto named = acls_.by_name_.find(name);
    if (whole_word && named != acls_.by_name_.end()) {
      call.target_ = named->second.get();
    } else if (whole_word && find_row(verb_rows(), name) != nullptr) {
      call.inline_ = compile_inline(value);
    } else if (value.view().starts_with('/')) {
      problem(value, 0, "an ACL in a file is not available yet");
    } else if (call.text_.is_constant() || whole_word) {
      report_no_acl(value, name);
    }
    return call;
  }

  // Every condition that can be reached from `acl` against what is legal at `where`.
  void check(const CompiledAcl& acl, AclWhere where) {
    if (!checked_.insert(&acl).second) return;
    for (const AclStatement& statement : acl.statements) {
      check_legal(*statement.verb, "the verb", statement.place, where);
      for (const AclCondition& condition : statement.conditions) check(condition, where);
    }
  }
  void check(const AclCall& call, AclWhere where) {
    if (call.target_ != nullptr) check(*call.target_, where);
    if (call.inline_) check(*call.inline_, where);
  }

 private:
  bool problem(const LocatedText& text, size_t offset, std::string message, std::string hint = {}) {
    diagnostics_.error(text.at(offset), std::move(message), std::move(hint));
    return false;
  }

  CompileOptions compile_options() const {
    CompileOptions options;
    options.lists = acls_.lists_.get();
    return options;
  }

  // `verb`, `verb condition`, or `condition`.
  void take_line(const LocatedText& line, CompiledAcl& acl) {
    const size_t length = word_length(line.view());
    const std::string_view word = line.view().substr(0, length);
    LocatedText rest = line;
    if (const VerbRow* verb = find_row(verb_rows(), word)) {
      acl.statements.push_back({verb, line.begin_place(), {}});
      rest = line.substr(length).trimmed();
      if (rest.empty()) return;
    } else if (acl.statements.empty()) {
      const std::string near = find_row(verb_rows(), to_lower(word)) ? "verbs are in lower case"
                                                                     : hint_from(verb_rows(), word);
      problem(line, 0, "unknown ACL verb " + quoted(word), near);
      return;
    }
    AclCondition condition;
    AclStatement& statement = acl.statements.back();
    if (take_condition(rest, statement, condition)) {
      statement.conditions.push_back(std::move(condition));
    }
  }

  bool take_condition(const LocatedText& line, const AclStatement& statement,
                      AclCondition& condition) {
    LocatedText text = line;
    if (text.view().starts_with('!')) {
      condition.negated = true;
      text = text.substr(1).trimmed();
    }
    condition.place = text.begin_place();
    const size_t length = word_length(text.view());
    const std::string_view name = text.view().substr(0, length);
    condition.row = find_row(acl_rows(), name);
    if (condition.row == nullptr) return report_unknown(text, name);
    const AclRow& row = *condition.row;
    if (condition.negated && row.modifier) {
      return problem(line, 0, "negation is not allowed with " + quoted(name));
    }
    if (row.run == nullptr)
      diagnostics_.warning(text.begin_place(),
                           row.modifier ? "the ACL modifier " + quoted(name) + " does not act yet"
                                        : "the ACL condition " + quoted(name) +
                                              " does not act yet: what asks it is deferred");
    LocatedText rest = text.substr(length).trimmed();
    if (row.shape == ValueShape::none) return take_endpass(text, rest, statement);
    if (row.shape == ValueShape::set && !take_variable(rest, condition)) return false;
    if (!rest.view().starts_with('=')) {
      return problem(rest, 0, "\"=\" is missing after " + quoted(name));
    }
    const LocatedText value = rest.substr(1).trimmed();
    condition.shown = value.text();
    return take_value(value, condition);
  }

  bool take_endpass(const LocatedText& text, const LocatedText& rest,
                    const AclStatement& statement) {
    if (!rest.empty()) return problem(rest, 0, "extra characters after \"endpass\"");
    if (statement.verb->endpass) return true;
    return problem(text, 0, "\"endpass\" is not allowed with " + quoted(statement.verb->name));
  }

  // The name after `set`; `rest` becomes what follows it.
  bool take_variable(LocatedText& rest, AclCondition& condition) {
    const size_t length = word_length(rest.view());
    const std::string_view name = rest.view().substr(0, length);
    const bool known = name.size() > 5 &&
                       (name.starts_with("acl_c") || name.starts_with("acl_m")) &&
                       (is_digit(name[5]) || name[5] == '_');
    if (!known) {
      return problem(rest, 0,
                     "a variable is expected after \"set\": acl_c or acl_m and a digit or "
                     "an underscore");
    }
    condition.variable = std::string(name);
    rest = rest.substr(length).trimmed();
    return true;
  }

  bool take_value(const LocatedText& value, AclCondition& condition) {
    const AclRow& row = *condition.row;
    const size_t errors = diagnostics_.error_count();
    if (row.shape == ValueShape::list) {
      condition.list = acls_.lists_->compile(row.kind, value, {}, diagnostics_);
    } else if (row.shape == ValueShape::call) {
      condition.call = compile_call(value);
    } else if (auto text = compile_expansion(value, compile_options(), diagnostics_)) {
      condition.text = std::move(*text);
      check_constant(value, condition);
    }
    return diagnostics_.error_count() == errors;
  }

  // Values that never change can be checked now.
  void check_constant(const LocatedText& value, AclCondition& condition) {
    if (!condition.text.is_constant()) return;
    const std::string_view text = trim(condition.text.constant());
    const std::string_view name = condition.row->name;
    if (name == "delay") {
      const Result<Seconds> time = config::parse_time(text);
      if (!time) problem(value, 0, time.error().detail());
    } else if (name == "condition" && !truth_of(text)) {
      problem(value, 0, quoted(text) + " is neither true nor false");
    } else if (name == "log_reject_target" && !parse_log_targets(text, ':')) {
      problem(value, 0, "logs are called main, reject and panic");
    } else if (name == "control") {
      check_control(value, text);
    } else {
      check_by_rows(value, name, text);
      prepare_by_rows(value, text, condition);
    }
  }

  void prepare_by_rows(const LocatedText& value, std::string_view text, AclCondition& condition) {
    struct Preparation {
      std::string_view name;
      std::optional<std::string> (*run)(std::string_view value, PreparedData& data);
    };
    static constexpr std::array<Preparation, 2> kPreparations{
        {{"ratelimit", prepare_ratelimit}, {"seen", prepare_seen}}};
    for (const Preparation& row : kPreparations) {
      if (row.name != condition.row->name) continue;
      if (std::optional<std::string> wrong = row.run(text, condition.data))
        problem(value, 0, std::move(*wrong));
    }
  }

  void check_by_rows(const LocatedText& value, std::string_view name, std::string_view text) {
    struct Check {
      std::string_view name;
      std::optional<std::string> (*run)(std::string_view value);
    };
    static constexpr std::array<Check, 3> kChecks{
        {{"dnslists", check_dnslists}, {"udpsend", check_udpsend}, {"verify", check_verify}}};
    for (const Check& check : kChecks) {
      if (check.name != name) continue;
      if (std::optional<std::string> wrong = check.run(text)) problem(value, 0, std::move(*wrong));
    }
  }

  void check_control(const LocatedText& value, std::string_view text) {
    const ControlText control = parse_control(text);
    if (control.row == nullptr) {
      problem(value, 0, "unknown control " + quoted(control.name),
              hint_from(control_rows(), control.name));
      return;
    }
    if (control.row->apply == nullptr) {
      diagnostics_.warning(value.begin_place(),
                           "the control " + quoted(control.name) + " does not act yet");
      return;
    }
    AclControls unused;
    if (!control.row->apply(unused, control.options)) {
      problem(value, 0, "unknown option of the control " + quoted(control.name));
    }
  }

  std::shared_ptr<const CompiledAcl> compile_inline(const LocatedText& text) {
    auto acl = std::make_shared<CompiledAcl>();
    size_t begin = 0;
    while (begin <= text.size()) {
      const size_t end = std::min(text.view().find('\n', begin), text.size());
      const LocatedText line = text.substr(begin, end - begin).trimmed();
      if (!line.empty()) take_line(line, *acl);
      begin = end + 1;
    }
    return acl;
  }

  void report_no_acl(const LocatedText& value, std::string_view name) {
    std::vector<std::string_view> names;
    for (const auto& [known, acl] : acls_.by_name_) names.push_back(known);
    problem(value, 0, "there is no ACL " + quoted(name.empty() ? value.view() : name),
            did_you_mean(name, names));
  }

  bool report_unknown(const LocatedText& text, std::string_view name) {
    std::vector<std::string_view> names;
    add_names(acl_rows(), names);
    add_names(verb_rows(), names);
    return problem(text, 0, "unknown ACL condition or modifier " + quoted(name),
                   did_you_mean(name, names));
  }

  template <class Row>
  void check_legal(const Row& row, std::string_view what, config::Place place, AclWhere where) {
    if ((row.legal & where_bit(where)) != 0) return;
    diagnostics_.error(place, std::string(what) + " " + quoted(row.name) +
                                  " is not possible in an ACL for " +
                                  std::string(acl_where_name(where)));
  }

  void check(const AclCondition& condition, AclWhere where) {
    check_legal(*condition.row, condition.row->modifier ? "the modifier" : "the condition",
                condition.place, where);
    check(condition.call, where);
    const bool is_verify = condition.row->name == "verify" && condition.text.is_constant();
    if (is_verify && (verify_legal(condition.text.constant()) & where_bit(where)) == 0) {
      diagnostics_.error(condition.place, "cannot verify " + quoted(condition.text.constant()) +
                                              " in an ACL for " +
                                              std::string(acl_where_name(where)));
    }
    if (condition.row->name != "control" || !condition.text.is_constant()) return;
    const ControlText control = parse_control(condition.text.constant());
    if (control.row != nullptr) check_legal(*control.row, "the control", condition.place, where);
  }

  const Acls& acls_;
  Diagnostics& diagnostics_;
  std::set<const CompiledAcl*> checked_;
};

std::shared_ptr<const Acls> Acls::compile(const config::ConfigDocument& document,
                                          std::shared_ptr<const NamedLists> lists,
                                          Diagnostics& diagnostics) {
  auto acls = std::make_shared<Acls>();
  acls->lists_ = std::move(lists);
  for (const config::AclSection& section : document.acls) {
    auto acl = std::make_shared<CompiledAcl>();
    acl->name = section.name;
    acls->by_name_.emplace(section.name, std::move(acl));
  }
  AclCompiler compiler(*acls, diagnostics);
  for (const config::AclSection& section : document.acls) {
    CompiledAcl& acl = *acls->by_name_.find(section.name)->second;
    // Of two ACLs with one name the reader has told; the first is compiled.
    if (acl.statements.empty()) compiler.compile(section.lines, acl);
  }
  for (const VerbRow& verb : verb_rows()) {
    auto acl = std::make_shared<CompiledAcl>();
    acl->statements.push_back({&verb, {}, {}});
    acls->by_verb_.emplace(verb.name, std::move(acl));
  }
  return acls;
}

AclCall Acls::compile_call(const LocatedText& text, AclWhere where,
                           Diagnostics& diagnostics) const {
  // An empty value is as good as none.
  if (text.trimmed().empty()) return {};
  AclCompiler compiler(*this, diagnostics);
  AclCall call = compiler.compile_call(text);
  compiler.check(call, where);
  return call;
}

}  // namespace godwit::acl
