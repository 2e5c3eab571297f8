// ${sort{list}{comparator}{key}}
#include "acl/expand/arguments.h"
#include "acl/expand/conditions.h"
#include "acl/expand/items.h"
#include "acl/expand/list_text.h"
#include "core/base/ascii.h"

#include <algorithm>
#include <array>

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

struct SortItem {
  std::string text;
  std::string key;
  int64_t number = 0;
};

EvalStatus read_key(const Node& node, const Comparator& how, EvalContext& context, SortItem& item) {
  context.item = item.text;
  EvalStatus status = run_sequence(node.parts[2], context, item.key);
  if (status != EvalStatus::ok) return status;
  if (how.ignore_case) item.key = to_lower(item.key);
  if (!how.numeric) return EvalStatus::ok;
  const std::optional<int64_t> number = expression_number(item.key);
  if (!number) return fail(context, "integer expected but \"" + item.key + "\" found");
  item.number = *number;
  return EvalStatus::ok;
}

void sort_items(std::vector<SortItem>& items, const Comparator& how) {
  if (how.reverses_equals) std::reverse(items.begin(), items.end());
  std::stable_sort(items.begin(), items.end(), [&how](const SortItem& a, const SortItem& b) {
    const SortItem& low = how.descending ? b : a;
    const SortItem& high = how.descending ? a : b;
    return how.numeric ? low.number < high.number : low.key < high.key;
  });
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
  const StateGuard guard(context);
  // The keys decide the order only: their taint is no part of the result.
  const bool tainted = context.tainted || list.tainted;
  context.item_tainted = list.tainted;
  ListReader reader(list.text);
  std::vector<SortItem> items;
  for (SortItem item; reader.next(item.text); item = {}) {
    status = read_key(node, *how, context, item);
    if (status != EvalStatus::ok) return status;
    items.push_back(std::move(item));
  }
  sort_items(items, *how);
  bool first = true;
  for (const SortItem& item : items) {
    append_list_item(item.text, reader.separator(), first, out);
    first = false;
  }
  context.tainted = tainted;
  return EvalStatus::ok;
}

}  // namespace godwit::acl
