// One item of a list, compiled, and the functions that compile one for each kind of list.
// Used by lists.cc only.
#pragma once

#include "acl/expand/list_pattern.h"
#include "acl/expand/regex.h"
#include "core/base/ip_address.h"

#include <memory>
#include <string>
#include <string_view>

namespace godwit::acl {

// What a subject is compared with: a list's item asks once for the form that it needs.
struct ItemSubject {
  const ListSubject& subject;
  std::string_view text;   // for caseful items: as it came
  std::string_view lower;  // the same in lower case
};

struct ListItem;
using TestItem = ListMatch (*)(const ListItem& item, const ItemSubject& subject,
                               EvalContext& context);

struct ListItem {
  TestItem test = nullptr;
  bool negated = false;
  bool caseful = false;
  std::string text;     // as in the list; what $domain_data becomes
  std::string pattern;  // what is compared; lower case unless caseful
  Cidr network;
  Regex regex;
  std::shared_ptr<const ListPattern> list;  // of +name
  // The two halves of local@domain.
  std::shared_ptr<const ListItem> local_part;
  std::shared_ptr<const ListItem> domain;
};

// Finds the list behind +name. Null and a message in `problem` where that cannot be.
class ListNames {
 public:
  virtual ~ListNames() = default;
  virtual std::shared_ptr<const ListPattern> find_list(ListKind kind, std::string_view name,
                                                       std::string& problem) = 0;
  virtual std::vector<std::string_view> names(ListKind kind) const = 0;
};

struct ItemProblem {
  std::string message;
  std::string hint;
  bool unavailable = false;  // known to the language, not available yet
};

// Compiles `text`, an item without its '!', into `item`. False: `problem` says why.
bool compile_item(ListKind kind, std::string_view text, bool caseful, ListNames& names,
                  ListItem& item, ItemProblem& problem);

}  // namespace godwit::acl
