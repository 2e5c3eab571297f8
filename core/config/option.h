// Options as rows: a name, a field of a plain struct (its C++ type is the option's type), the
// default as an operator would write it, whether it acts yet, and one line of documentation. Used
// by main options here, and by routers, transports and authenticators in delivery/ and daemon/:
//
//   constexpr auto kRows = std::to_array<OptionRow<SmtpTransport>>({
//       {"port", &SmtpTransport::port, "smtp", Effect::now, "port of the remote host"}, ... });
//   OptionTarget<SmtpTransport> target(kRows, transport);   // sets the defaults
//   apply_settings(instance.settings, {&generic, &target}, diagnostics, "smtp transport");
//
// Rows need not be sorted; a table has a few hundred names and is read once at load.
#pragma once

#include "core/base/time.h"
#include "core/config/diagnostics.h"
#include "core/config/document.h"
#include "core/config/log_selector.h"

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace godwit::config {

// A string that floor 5 compiles. `is_set` tells an empty value from none; a default counts as set
// where the row has one.
struct ConfigText {
  LocatedText text;
  bool is_set = false;
};
struct ExpandText : ConfigText {};         // expanded at use
struct DomainListText : ConfigText {};     // a domain list, expanded at use
struct HostListText : ConfigText {};       // a host list, expanded at use
struct AddressListText : ConfigText {};    // an address list, expanded at use
struct LocalPartListText : ConfigText {};  // a local part list, expanded at use
// A boolean that may be an expansion: `unseen`, `more`.
struct ExpandBool : ConfigText {};
// Permission bits, written in octal; negative where unset.
struct Mode {
  int64_t bits = -1;
};
// A number with three decimals, in thousandths; negative where unset.
struct Fixed {
  int64_t thousandths = -1;
};
// One of the words of the row's `choices`, as its index.
struct Choice {
  uint8_t index = 0;
};
// A list option that is not expanded, split.
using PlainList = std::vector<std::string>;
using TimeList = std::vector<Seconds>;
// A repeatable option (`condition`, `headers_add`, `set`): every value, in order.
using ExpandTexts = std::vector<ExpandText>;

template <class T>
using OptionField =
    std::variant<bool T::*, int64_t T::*, Mode T::*, Fixed T::*, Seconds T::*, std::string T::*,
                 ExpandText T::*, ExpandBool T::*, DomainListText T::*, HostListText T::*,
                 AddressListText T::*, LocalPartListText T::*, PlainList T::*, TimeList T::*,
                 Choice T::*, LogSelectors T::*, ExpandTexts T::*>;
using OptionValue =
    std::variant<bool*, int64_t*, Mode*, Fixed*, Seconds*, std::string*, ExpandText*, ExpandBool*,
                 DomainListText*, HostListText*, AddressListText*, LocalPartListText*, PlainList*,
                 TimeList*, Choice*, LogSelectors*, ExpandTexts*>;
// "bool", "time", "string, expanded" ...: for the manual.
std::string_view option_type_name(const OptionValue& value) noexcept;

enum class Effect : uint8_t {
  now,    // the program does what the option says
  later,  // read and checked; acts with a feature that is still to come
  never,  // accepted for old files; has no meaning in this program
};

template <class T>
struct OptionRow {
  std::string_view name;
  OptionField<T> field;
  std::string_view default_text;  // as in a file; empty: unset (false, 0, no text)
  Effect effect;
  std::string_view doc;
  std::string_view choices = {};  // "reject|replace|keep", for a Choice
};

struct OptionInfo {
  std::string_view name;
  std::string_view default_text;
  Effect effect;
  std::string_view doc;
  std::string_view choices;
};

// Rows bound to the object that they fill. Abstract so that apply_settings is compiled once.
class OptionBinding {
 public:
  virtual ~OptionBinding() = default;
  virtual size_t size() const = 0;
  virtual OptionInfo info(size_t index) const = 0;
  virtual OptionValue value(size_t index) const = 0;
  // Writes every row's default into the object.
  void set_defaults();
};

// Keeps references to rows and object; sets the object's defaults when it is made.
template <class T>
class OptionTarget final : public OptionBinding {
 public:
  OptionTarget(std::span<const OptionRow<T>> rows, T& object) : rows_(rows), object_(object) {
    set_defaults();
  }
  size_t size() const override { return rows_.size(); }
  OptionInfo info(size_t index) const override {
    const OptionRow<T>& row = rows_[index];
    return {row.name, row.default_text, row.effect, row.doc, row.choices};
  }
  OptionValue value(size_t index) const override {
    return std::visit([this](auto member) { return OptionValue(&(object_.*member)); },
                      rows_[index].field);
  }

 private:
  std::span<const OptionRow<T>> rows_;
  T& object_;
};

// Rows with an object of their own: for whoever wants to see options without what uses them (-bP).
template <class T>
class OwnOptions final : public OptionBinding {
 public:
  explicit OwnOptions(std::span<const OptionRow<T>> rows) : target_(rows, object_) {}
  size_t size() const override { return target_.size(); }
  OptionInfo info(size_t index) const override { return target_.info(index); }
  OptionValue value(size_t index) const override { return target_.value(index); }

 private:
  T object_{};
  OptionTarget<T> target_;
};

// As -bP prints it: "name = value", "name", "no_name". EXIM.md 4.1.
std::string print_option(const OptionInfo& info, const OptionValue& value);

// An old spelling and the name that it stands for.
struct OptionAlias {
  std::string_view old_name;
  std::string_view name;
};

// Applies settings in order. Problems (unknown name with the nearest right one, wrong type, set
// twice) go to `diagnostics`; `owner` names the table in them: "main", "smtp transport".
// A setting called `driver` is skipped.
void apply_settings(std::span<const Setting> settings,
                    std::initializer_list<OptionBinding*> bindings, Diagnostics& diagnostics,
                    std::string_view owner, std::span<const OptionAlias> aliases = {});

// --- Drivers -------------------------------------------------------------------------------------

struct DriverRow {
  std::string_view name;
  bool available;  // false: known to the language, not in this program yet
};

// The index of the instance's driver among `drivers`. Where the driver is missing, unknown or not
// available, says so in `diagnostics` and returns nothing. `what` is "router", "transport" ...
std::optional<size_t> find_driver(const Instance& instance, std::span<const DriverRow> drivers,
                                  std::string_view what, Diagnostics& diagnostics);

}  // namespace godwit::config
