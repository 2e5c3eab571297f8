#include "core/config/option.h"

#include "core/base/ascii.h"
#include "core/base/assert.h"
#include "core/base/quoted.h"
#include "core/config/values.h"

#include <algorithm>
#include <array>
#include <map>

namespace godwit::config {
namespace {

struct Problem {
  Place place;
  std::string message;
  std::string hint;
};
using Outcome = std::optional<Problem>;

// Writes one value, as the text after the equals sign, into a field.
class Assign {
 public:
  Assign(const OptionInfo& info, const LocatedText& raw, Diagnostics* diagnostics)
      : info_(info), raw_(raw), diagnostics_(diagnostics) {}

  Outcome operator()(bool* field) const { return put(parse_bool(raw_.view()), *field); }
  Outcome operator()(int64_t* field) const { return put(parse_integer(raw_.view()), *field); }
  Outcome operator()(Seconds* field) const { return put(parse_time(raw_.view()), *field); }
  Outcome operator()(Mode* field) const { return put(parse_octal(raw_.view()), field->bits); }
  Outcome operator()(Fixed* field) const {
    return put(parse_fixed(raw_.view()), field->thousandths);
  }
  Outcome operator()(std::string* field) const {
    LocatedText text;
    if (auto problem = read_string(text)) return problem;
    *field = text.text();
    return {};
  }
  Outcome operator()(ConfigText* field) const {
    field->is_set = true;
    return read_string(field->text);
  }
  Outcome operator()(ExpandTexts* field) const {
    field->emplace_back();
    return (*this)(&field->back());
  }
  Outcome operator()(PlainList* field) const {
    LocatedText text;
    if (auto problem = read_string(text)) return problem;
    *field = split_list(text.view());
    return {};
  }
  Outcome operator()(TimeList* field) const {
    LocatedText text;
    if (auto problem = read_string(text)) return problem;
    field->clear();
    for (const LocatedText& item : split_list(text)) {
      const Result<Seconds> time = parse_time(item.view());
      if (!time) return Problem{item.begin_place(), time.error().detail(), {}};
      field->push_back(*time);
    }
    return {};
  }
  Outcome operator()(Choice* field) const {
    std::vector<std::string_view> words;
    for (std::string_view rest = info_.choices; !rest.empty();) {
      const size_t bar = rest.find('|');
      words.push_back(rest.substr(0, bar));
      rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 1);
    }
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] != raw_.view()) continue;
      field->index = static_cast<uint8_t>(i);
      return {};
    }
    return Problem{raw_.begin_place(),
                   quoted(raw_.view()) + " is not one of " + std::string(info_.choices),
                   did_you_mean(raw_.view(), words)};
  }
  Outcome operator()(LogSelectors* field) const {
    LocatedText text;
    if (auto problem = read_string(text)) return problem;
    // A default has no diagnostics to go to: it is empty.
    if (diagnostics_ != nullptr) *field = LogSelectors::parse(text, *diagnostics_);
    return {};
  }

 private:
  template <class T>
  Outcome put(const Result<T>& value, T& field) const {
    if (!value) return Problem{raw_.begin_place(), value.error().detail(), {}};
    field = *value;
    return {};
  }

  Outcome read_string(LocatedText& text) const {
    std::optional<QuoteProblem> problem;
    text = unquote(raw_, problem);
    if (!problem) return {};
    return Problem{raw_.at(problem->offset), problem->message, {}};
  }

  const OptionInfo& info_;
  const LocatedText& raw_;
  Diagnostics* diagnostics_;
};

bool is_flag(const OptionValue& value) {
  return std::holds_alternative<bool*>(value) || std::holds_alternative<ExpandBool*>(value);
}

// `name` without value: a switch that is turned on or off.
void set_flag(const OptionValue& value, bool on) {
  if (bool* const* flag = std::get_if<bool*>(&value)) **flag = on;
  if (ExpandBool* const* flag = std::get_if<ExpandBool*>(&value)) {
    (*flag)->text = LocatedText(on ? "true" : "false");
    (*flag)->is_set = true;
  }
}

// Settings against rows: one object for one owner.
class Applier {
 public:
  Applier(std::initializer_list<OptionBinding*> bindings, Diagnostics& diagnostics,
          std::string_view owner, std::span<const OptionAlias> aliases)
      : diagnostics_(diagnostics), owner_(owner), aliases_(aliases) {
    for (OptionBinding* binding : bindings) {
      for (size_t i = 0; i < binding->size(); ++i)
        rows_.emplace(binding->info(i).name, Row{binding, i, {}});
    }
  }

  void apply(const Setting& setting) {
    if (setting.name == "driver") return;
    bool negated = false;
    Row* row = find(setting.name, negated);
    if (row == nullptr) return report_unknown(setting);
    const OptionInfo info = row->binding->info(row->index);
    const OptionValue value = row->binding->value(row->index);
    if (row->first && !std::holds_alternative<ExpandTexts*>(value)) {
      diagnostics_.error(setting.place, "option " + quoted(info.name) + " is set a second time");
      return;
    }
    row->first = setting.place;
    if (!setting.value) {
      if (is_flag(value)) return set_flag(value, !negated);
      diagnostics_.error(setting.place, "\"=\" and a value are missing after " + quoted(info.name));
      return;
    }
    if (negated) {
      diagnostics_.error(setting.value->begin_place(),
                         "extra characters after the boolean option " + quoted(setting.name));
      return;
    }
    const Outcome problem = std::visit(Assign(info, *setting.value, &diagnostics_), value);
    if (!problem) return;
    diagnostics_.error(problem->place.line != 0 ? problem->place : setting.place,
                       quoted(info.name) + ": " + problem->message, problem->hint);
  }

 private:
  struct Row {
    OptionBinding* binding;
    size_t index;
    std::optional<Place> first;  // where it was set
  };

  Row* find(std::string_view name, bool& negated) {
    if (Row* row = find_exact(name)) return row;
    for (std::string_view prefix : {"no_", "not_"}) {
      if (!name.starts_with(prefix)) continue;
      Row* row = find_exact(name.substr(prefix.size()));
      if (row == nullptr || !is_flag(row->binding->value(row->index))) continue;
      negated = true;
      return row;
    }
    return nullptr;
  }

  Row* find_exact(std::string_view name) {
    for (const OptionAlias& alias : aliases_) {
      if (alias.old_name == name) name = alias.name;
    }
    const auto found = rows_.find(name);
    return found == rows_.end() ? nullptr : &found->second;
  }

  void report_unknown(const Setting& setting) {
    std::vector<std::string_view> names;
    for (const auto& [name, row] : rows_) names.push_back(name);
    diagnostics_.error(setting.place,
                       std::string(owner_) + " option " + quoted(setting.name) + " is unknown",
                       did_you_mean(setting.name, names));
  }

  Diagnostics& diagnostics_;
  std::string_view owner_;
  std::span<const OptionAlias> aliases_;
  std::map<std::string_view, Row> rows_;
};

}  // namespace

std::string_view option_type_name(const OptionValue& value) noexcept {
  // The order is that of the variant's alternatives.
  constexpr auto kNames = std::to_array<std::string_view>(
      {"boolean", "integer", "octal integer", "fixed-point", "time", "string", "string, expanded",
       "boolean, expanded", "domain list", "host list", "address list", "local part list", "list",
       "time list", "choice", "log selectors", "string, expanded, repeatable"});
  static_assert(kNames.size() == std::variant_size_v<OptionValue>);
  return kNames[value.index()];
}

void OptionBinding::set_defaults() {
  for (size_t i = 0; i < size(); ++i) {
    const OptionInfo row = info(i);
    if (row.default_text.empty()) continue;
    const LocatedText text{std::string(row.default_text)};
    const Outcome problem = std::visit(Assign(row, text, nullptr), value(i));
    GODWIT_ASSERT(!problem);
  }
}

void apply_settings(std::span<const Setting> settings,
                    std::initializer_list<OptionBinding*> bindings, Diagnostics& diagnostics,
                    std::string_view owner, std::span<const OptionAlias> aliases) {
  Applier applier(bindings, diagnostics, owner, aliases);
  for (const Setting& setting : settings) applier.apply(setting);
}

std::optional<size_t> find_driver(const Instance& instance, std::span<const DriverRow> drivers,
                                  std::string_view what, Diagnostics& diagnostics) {
  const std::string owner = std::string(what) + " " + quoted(instance.name);
  const Setting* setting = instance.find("driver");
  if (setting == nullptr || !setting->value) {
    diagnostics.error(instance.place, owner + " has no driver");
    return std::nullopt;
  }
  const LocatedText& value = *setting->value;
  std::vector<std::string_view> names;
  for (size_t i = 0; i < drivers.size(); ++i) {
    names.push_back(drivers[i].name);
    if (drivers[i].name != value.view()) continue;
    if (drivers[i].available) return i;
    diagnostics.error(value.begin_place(), "the " + std::string(what) + " driver " +
                                               quoted(value.view()) + " is not available yet");
    return std::nullopt;
  }
  diagnostics.error(value.begin_place(),
                    quoted(value.view()) + " is not a driver of a " + std::string(what),
                    did_you_mean(value.view(), names));
  return std::nullopt;
}

}  // namespace godwit::config
