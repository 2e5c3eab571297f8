// ${sort{list}{comparator}{key}}
#include "acl/expand/arguments.h"
#include "acl/expand/conditions.h"
#include "acl/expand/items.h"
#include "acl/expand/list_text.h"
#include "core/base/ascii.h"

#include <algorithm>
#include <array>
#include <utility>

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
  std::string text;
  std::string key;  // where texts are compared
  int64_t number = 0;
};

// Of context.item.
EvalStatus read_key(const Node& node, const Comparator& how, EvalContext& context, SortItem& item) {
  Argument key;
  const EvalStatus status = key.peek(node.parts[2], context);
  if (status != EvalStatus::ok) return status;
  if (!how.numeric) {
    item.key = how.ignore_case ? to_lower(key.text()) : std::string(key.text());
    return EvalStatus::ok;
  }
  const std::optional<int64_t> number = expression_number(key.text());
  if (!number) {
    return fail(context, "integer expected but \"" + std::string(key.text()) + "\" found");
  }
  item.number = *number;
  return EvalStatus::ok;
}

// Where the items go. Equals stay in order; few items move in place, without a buffer.
std::vector<const SortItem*> sorted(const std::vector<SortItem>& items, const Comparator& how) {
  constexpr size_t kFew = 24;
  std::vector<const SortItem*> order(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    order[how.reverses_equals ? items.size() - 1 - i : i] = &items[i];
  }
  const auto before = [&how](const SortItem* a, const SortItem* b) {
    const SortItem* low = how.descending ? b : a;
    const SortItem* high = how.descending ? a : b;
    return how.numeric ? low->number < high->number : low->key < high->key;
  };
  if (items.size() > kFew) {
    std::stable_sort(order.begin(), order.end(), before);
    return order;
  }
  for (size_t i = 1; i < order.size(); ++i) {
    for (size_t k = i; k > 0 && before(order[k], order[k - 1]); --k) {
      std::swap(order[k], order[k - 1]);
    }
  }
  return order;
}

}  // namespace

EvalStatus run_sort(const Node& node, EvalContext& context, std::string& out) {
  Value list;
  EvalStatus status = read_value(node.parts[0], context, list);
  if (status != EvalStatus::ok) return status;
  Value name;
  status = read_value(node.parts[1], context, name);
  if (status != EvalStatus::ok) return status;
  const auto* how = std::find_if(kComparators.begin(), kComparators.end(),
                                 [&](const Comparator& row) { return row.name == name.text; });
  if (how == kComparators.end()) return fail(context, "comparator not handled for sort");
  const ItemGuard guard(context, list.tainted);
  // The keys decide the order only: their taint is no part of the result.
  const bool tainted = context.tainted || list.tainted;
  ListReader reader(list.text);
  std::vector<SortItem> items;
  while (reader.next(context.item)) {
    if (items.empty()) items.reserve(kItemsExpected);
    SortItem& item = items.emplace_back();
    status = read_key(node, *how, context, item);
    if (status != EvalStatus::ok) return status;
    item.text = context.item;
  }
  bool first = true;
  for (const SortItem* item : sorted(items, *how)) {
    append_list_item(item->text, reader.separator(), first, out);
    first = false;
  }
  context.tainted = tainted;
  return EvalStatus::ok;
}

}  // namespace godwit::acl
