// ${sort{list}{comparator}{key}}
#include "acl/expand/arguments.h"
#include "acl/expand/conditions.h"
#include "acl/expand/items.h"
#include "acl/expand/list_text.h"
#include "core/base/ascii.h"

#include <algorithm>
#include <array>
#include <forward_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {
namespace {

struct Comparator {
  std::string_view name;
  bool numeric;
  bool ignore_case;
  bool descending;
  bool reverses_equals;  // <= and its kin put a later equal before an earlier one
};
constexpr std::array<Comparator, 12> kComparators{{
    {"<", true, false, false, false},
    {"<=", true, false, false, true},
    {">", true, false, true, false},
    {">=", true, false, true, true},
    {"lt", false, false, false, false},
    {"le", false, false, false, true},
    {"gt", false, false, true, false},
    {"ge", false, false, true, true},
    {"lti", false, true, false, false},
    {"lei", false, true, false, true},
    {"gti", false, true, true, false},
    {"gei", false, true, true, true},
}};

constexpr size_t kItemsExpected = 16;

struct SortItem {
  std::string_view text;
  int64_t number = 0;  // where numbers are compared
  size_t index = 0;    // in the list, and of its key where texts are compared
};

// The items of a list and what they are sorted by.
class Sorter {
 public:
  explicit Sorter(const Comparator& how) : how_(how) { items_.reserve(kItemsExpected); }

  // `lasts`: the text of `item` outlives this. Not ok: the key is no number where one is wanted.
  EvalStatus add(std::string_view item, bool lasts, std::string_view key, EvalContext& context) {
    int64_t number = 0;
    if (how_.numeric) {
      const std::optional<int64_t> read = expression_number(key);
      if (!read) {
        return fail(context, "integer expected but \"" + std::string(key) + "\" found");
      }
      number = *read;
    } else {
      keys_.push_back(how_.ignore_case ? to_lower(key) : std::string(key));
    }
    if (!lasts) item = made_.emplace_front(item);
    items_.push_back({item, number, items_.size()});
    return EvalStatus::ok;
  }

  // Equals stay in order, or come in the opposite one where the comparator says so.
  std::span<const SortItem> sorted() {
    std::sort(items_.begin(), items_.end(), [this](const SortItem& a, const SortItem& b) {
      const int order = compare(a, b);
      if (order != 0) return how_.descending ? order > 0 : order < 0;
      return how_.reverses_equals ? a.index > b.index : a.index < b.index;
    });
    return items_;
  }

 private:
  int compare(const SortItem& a, const SortItem& b) const {
    if (how_.numeric) return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
    return keys_[a.index].compare(keys_[b.index]);
  }

  const Comparator& how_;
  std::forward_list<std::string> made_;  // they stay where they are
  std::vector<std::string> keys_;
  std::vector<SortItem> items_;
};

}  // namespace

EvalStatus run_sort(const Node& node, EvalContext& context, std::string& out) {
  std::array<Argument, 2> args;  // the list and the comparator
  for (size_t i = 0; i < args.size(); ++i) {
    const EvalStatus status = args[i].read(node.parts[i], context);
    if (status != EvalStatus::ok) return status;
  }
  const auto* how = std::find_if(kComparators.begin(), kComparators.end(),
                                 [&](const Comparator& row) { return row.name == args[1].text(); });
  if (how == kComparators.end()) return fail(context, "comparator not handled for sort");
  const ItemGuard guard(context, args[0].tainted());
  // The keys decide the order only: their taint is no part of the result.
  const bool tainted = context.tainted || args[0].tainted();
  ListReader reader(node.parts[0], args[0].text());
  Sorter sorter(*how);
  while (reader.next(context.item)) {
    Argument key;
    EvalStatus status = key.peek(node.parts[2], context);
    if (status == EvalStatus::ok) {
      status = sorter.add(context.item, reader.item_lasts(), key.text(), context);
    }
    if (status != EvalStatus::ok) return status;
  }
  ListWriter writer(out, reader.separator());
  for (const SortItem& item : sorter.sorted()) writer.add(item.text);
  context.tainted = tainted;
  return EvalStatus::ok;
}

}  // namespace godwit::acl
