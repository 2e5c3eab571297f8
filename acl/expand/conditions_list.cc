// Conditions about lists: match_..., inlist, forany, forall.
#include "acl/expand/arguments.h"
#include "acl/expand/conditions.h"
#include "acl/expand/json.h"
#include "acl/expand/list_text.h"
#include "core/base/ascii.h"
#include "core/base/ip_address.h"
#include "core/base/quoted.h"

namespace godwit::acl {
namespace {

// The items of a list or of a JSON array.
class ItemReader {
 public:
  ItemReader(const Sequence& sequence, std::string_view text, uint8_t form)
      : form_(form), list_(sequence, text) {
    if (form == kSeparated) return;
    if (const auto inside = json_inside(text, '[', ']')) {
      rest_ = *inside;
    } else {
      error_ = "missing '[' or ']' wrapping array for json list";
    }
  }

  // False at the end and on an error.
  bool next(std::string_view& item) {
    if (form_ == kSeparated) return list_.next(item);
    std::string_view element;
    if (!error_.empty() || !next_json_element(rest_, element)) return false;
    if (form_ == kJsonStrings) {
      const auto text = json_string(element);
      if (!text) {
        error_ = "missing '\"' wrapping string result for extract jsons";
        return false;
      }
      element = *text;
    }
    item = element;
    return true;
  }
  const std::string& error() const noexcept { return error_; }

 private:
  uint8_t form_;
  ListReader list_;
  std::string_view rest_;
  std::string error_;
};

}  // namespace

EvalStatus run_match_list(const ConditionNode& node, EvalContext& context, bool& answer) {
  Argument value;
  const EvalStatus status = value.read(node.args[0], context);
  if (status != EvalStatus::ok) return status;
  if (node.list == nullptr) return fail(context, "the list is not available");
  const std::string_view text = value.text();
  ListSubject subject;
  subject.text = text;
  if (static_cast<ListKind>(node.form) == ListKind::host) {
    const Result<IpAddress> address = IpAddress::parse(text);
    if (!text.empty() && !address) {
      return fail(context, quoted(text) + " is not an IP address");
    }
    if (address) subject.address = *address;
  }
  const ListMatch match = node.list->match(subject, context);
  if (match.match == Match::defer) return defer(context, match.message);
  answer = match.match == Match::yes;
  // What the list gave comes from the configuration or a lookup.
  if (answer) set_value(context, match.data, false);
  return EvalStatus::ok;
}

// inlist{text}{list}: $value is the item.
EvalStatus run_inlist(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::array<Argument, 2> args;
  const EvalStatus status = read_pair(node.args, context, args);
  if (status != EvalStatus::ok) return status;
  ListReader reader(node.args[1], args[1].text());
  std::string_view item;
  answer = false;
  while (!answer && reader.next(item)) {
    answer = (node.form & kIgnoreCase) != 0 ? equals_ignore_case(item, args[0].text())
                                            : item == args[0].text();
  }
  // The list may be a part of $value.
  if (answer) set_value(context, std::string(item), args[1].tainted());
  return EvalStatus::ok;
}

bool check_inlist(Parser&, ConditionNode& node, size_t) {
  keep_items(node.args[1]);
  return true;
}

bool check_each(Parser&, ConditionNode& node, size_t) {
  if ((node.form & 0x0f) == kSeparated) keep_items(node.args[0]);
  return true;
}

// A list without items gives false, for forall too.
EvalStatus run_each(const ConditionNode& node, EvalContext& context, bool& answer) {
  Argument list;
  EvalStatus status = list.read(node.args[0], context);
  if (status != EvalStatus::ok) return status;
  const bool all = (node.form & kAll) != 0;
  const ItemGuard guard(context, list.tainted());
  ItemReader reader(node.args[0], list.text(), node.form & 0x0f);
  answer = false;
  while (status == EvalStatus::ok && reader.next(context.item)) {
    status = run_condition(node.children[0], context, answer);
    if (answer != all) break;
  }
  if (status == EvalStatus::ok && !reader.error().empty()) return fail(context, reader.error());
  return status;
}

}  // namespace godwit::acl
