// One item of a list, compiled, and the functions that compile one for each kind of list.
// Used by lists.cc only. Items that ask somebody (lookups, files, names of hosts, @mx_...) have
// their tests in item_lookup.cc, item_file.cc and item_host.cc; they wait on the current fiber.
#pragma once

#include "acl/expand/list_pattern.h"
#include "acl/expand/regex.h"
#include "acl/lookup/lookup.h"
#include "core/base/ip_address.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

inline constexpr size_t kListFileBytesMax = 16u << 20;  // of a file whose lines are items
inline constexpr int kLocalPartChainMax = 50;           // keys that follow each other with ">"

// What a subject is compared with: a list's item asks once for the form that it needs.
struct ItemSubject {
  const ListSubject& subject;
  std::string_view text;   // for caseful items: as it came
  std::string_view lower;  // the same in lower case
};

// What a test says beyond a match: that what it needs to know of a host cannot be found.
struct ItemAnswer {
  ListMatch match;
  bool unknown = false;
  bool refused = false;  // no, and by a line of a file that says so: the list ends here

  ItemAnswer() = default;
  ItemAnswer(ListMatch found) : match(std::move(found)) {}
};

struct ListItem;
using TestItem = ItemAnswer (*)(const ListItem& item, const ItemSubject& subject,
                                EvalContext& context);

// What becomes of a list where an item needs a host's name or address that is not known
// (+include_unknown, +ignore_unknown) or cannot be asked for (+include_defer, +ignore_defer).
enum class OnTrouble : uint8_t { give_up, include, ignore };

// type;data with all its prefixes.
struct ItemLookup {
  LookupSpec spec;
  std::string data;         // the file or the query
  bool by_address = false;  // net-: the key is the host's address
  int mask_bits = -1;       // net24-: under this mask; -1: none
  bool tainted = false;     // the file may not be opened
};

struct ListItem {
  TestItem test = nullptr;
  ListKind kind = ListKind::domain;
  bool negated = false;
  bool caseful = false;
  bool tainted = false;   // of a list that came from outside
  bool is_plain = false;  // a domain that is compared whole, not negated: may be found by a hash
  OnTrouble on_unknown = OnTrouble::give_up;
  OnTrouble on_defer = OnTrouble::give_up;
  std::string text;     // as in the list; what $domain_data becomes
  std::string pattern;  // what is compared; lower case unless caseful
  Cidr network;
  Regex regex;
  std::shared_ptr<const ListPattern> list;      // of +name, or what @mx_.../ignore= names
  std::shared_ptr<const ItemLookup> lookup;     // of type;data and @@type;data
  std::shared_ptr<const struct ListFile> file;  // of a file whose lines are items
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
  // A list inside an item: the addresses that @mx_.../ignore= ignores.
  virtual std::shared_ptr<const ListPattern> compile_inner(ListKind kind, std::string_view text,
                                                           std::string& problem) = 0;
};

// The names where lists are compiled while they are matched: there are none.
class NoNames final : public ListNames {
 public:
  std::shared_ptr<const ListPattern> find_list(ListKind, std::string_view,
                                               std::string& problem) override {
    problem = "named lists are not known here";
    return nullptr;
  }
  std::vector<std::string_view> names(ListKind) const override { return {}; }
  std::shared_ptr<const ListPattern> compile_inner(ListKind, std::string_view,
                                                   std::string& problem) override {
    problem = "lists in items are not known here";
    return nullptr;
  }
};

struct ItemProblem {
  std::string message;
  std::string hint;
  bool unavailable = false;  // known to the language, not available yet
};

struct ItemOptions {
  bool caseful = false;
  bool tainted = false;
  bool in_file = false;  // a line of a file: names no other file
};

// Compiles `text`, an item without its '!', into `item`. False: `problem` says why.
bool compile_item(ListKind kind, std::string_view text, const ItemOptions& options,
                  ListNames& names, ListItem& item, ItemProblem& problem);

// Whether the test of `item` may have to wait for an answer from outside.
bool item_can_suspend(const ListItem& item) noexcept;
// Whether it says the same of the same subject for as long as a message lasts.
bool item_is_stable(const ListItem& item) noexcept;

// Whether an item is a lookup: it begins with a type and a semicolon.
bool looks_like_lookup(std::string_view text) noexcept;
// "net24-", and the rest of a lookup item.
std::optional<ItemLookup> parse_item_lookup(ListKind kind, std::string_view text, bool tainted,
                                            ItemProblem& problem);

// Tests that ask.
ItemAnswer test_lookup(const ListItem& item, const ItemSubject& subject, EvalContext& context);
ItemAnswer test_local_part_lookup(const ListItem& item, const ItemSubject& subject,
                                  EvalContext& context);  // @@
ItemAnswer test_file(const ListItem& item, const ItemSubject& subject, EvalContext& context);
std::shared_ptr<const struct ListFile> make_list_file(std::string path);
ItemAnswer test_host_address(const ListItem& item, const ItemSubject& subject,
                             EvalContext& context);  // a name whose addresses are compared
ItemAnswer test_host_suffix(const ListItem& item, const ItemSubject& subject,
                            EvalContext& context);  // *.name
ItemAnswer test_host_regex(const ListItem& item, const ItemSubject& subject, EvalContext& context);
ItemAnswer test_mail_exchanger(const ListItem& item, const ItemSubject& subject,
                               EvalContext& context);  // @mx_...

// The names of the host in question, asked for where they are not known. Nothing: `answer` says
// whether there is none or whether they could not be asked for.
std::optional<std::vector<std::string>> host_names(const ItemSubject& subject, EvalContext& context,
                                                   ItemAnswer& answer);
// An address of this machine.
bool is_local_address(const IpAddress& address, const EvalContext& context);

}  // namespace godwit::acl
