#include "acl/lists/lists.h"

#include "acl/expand/scratch.h"
#include "acl/expand/trace.h"
#include "acl/lists/item.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/values.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace godwit::acl {
namespace {

using config::Diagnostics;
using config::LocatedText;

// An IPv4 client of an IPv6 socket counts as what it is (RFC 4291 2.5.5.2).
IpAddress without_mapping(const IpAddress& address) {
  constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  if (!address.is_v6() || !address.bytes().starts_with(kMapped)) return address;
  uint32_t v4 = 0;
  for (const char byte : address.bytes().substr(kMapped.size()))
    v4 = v4 << 8 | static_cast<unsigned char>(byte);
  return IpAddress::v4(v4);
}

// Itself where it has no capitals, as most subjects have none.
std::string_view lower_case(std::string_view text, Scratch& lowered) {
  if (std::none_of(text.begin(), text.end(), is_upper)) return text;
  std::string& lower = lowered.text();
  for (char c : text) lower += to_lower(c);
  return lower;
}

// A list whose items are known at load.
class StaticList final : public ListPattern {
 public:
  StaticList(ListKind kind, std::string shown, std::vector<ListItem> items)
      : kind_(kind), shown_(std::move(shown)), items_(std::move(items)) {
    index_runs();
    size_t indexed = 0;
    for (const auto& [begin, run] : runs_) indexed += run.end - begin;
    is_worth_keeping_ = StaticList::is_stable() &&
                        (items_.size() - indexed >= kKeptItemsMin || StaticList::can_suspend());
  }

  ListMatch match(const ListSubject& subject, EvalContext& context) const override {
    const ListItem* decided_by = nullptr;
    if (context.trace != nullptr)
      context.trace->event({TraceKind::list_begin, shown_subject(subject), shown_, {}, {}});
    // Lists of texts set $0 $1 ... as `match` does; address lists leave none, host lists what was.
    if (kind_ != ListKind::host) context.captures.clear();
    ListMatch match = test_items(subject, context, decided_by);
    if (kind_ == ListKind::address) context.captures.clear();
    if (context.trace != nullptr) show_end(*context.trace, subject, match, decided_by);
    return match;
  }

  bool can_suspend() const noexcept override {
    return std::any_of(items_.begin(), items_.end(), item_can_suspend);
  }

  bool is_stable() const noexcept override {
    return std::all_of(items_.begin(), items_.end(), item_is_stable);
  }
  bool is_worth_keeping() const noexcept override { return is_worth_keeping_; }

 private:
  ListMatch test_items(const ListSubject& subject, EvalContext& context,
                       const ListItem*& decided_by) const {
    Scratch lowered;
    const std::string_view lower = lower_case(subject.text, lowered);
    ListSubject known = subject;
    if (kind_ == ListKind::host && known.address) known.address = without_mapping(*known.address);
    const ItemSubject item_subject{known, subject.text, lower};
    for (size_t i = 0; i < items_.size(); ++i) {
      if (skip_run(lower, i)) continue;
      const ListItem& item = items_[i];
      ItemAnswer answer = item.test(item, item_subject, context);
      ListMatch& match = answer.match;
      OnTrouble on_trouble = OnTrouble::give_up;
      if (answer.unknown) on_trouble = item.on_unknown;
      if (match.match == Match::defer) on_trouble = item.on_defer;
      const bool is_trouble = answer.unknown || match.match == Match::defer;
      const bool decides = is_trouble ? on_trouble != OnTrouble::ignore
                                      : match.match == Match::yes || answer.refused;
      if (!decides) continue;
      decided_by = &item;
      if (is_trouble && on_trouble == OnTrouble::include) return {Match::yes, {}, {}};
      if (answer.unknown) return {};
      if (answer.refused) match.match = item.negated ? Match::yes : Match::no;
      if (answer.refused) return std::move(match);
      if (match.match == Match::yes && item.negated) return {};
      return std::move(match);
    }
    // A list that ends with a negative item matches what its items do not.
    const bool open = !items_.empty() && items_.back().negated;
    return {open ? Match::yes : Match::no, {}, {}};
  }

  // Long runs of plain domains are found by a hash; the first of equal items counts.
  struct Run {
    size_t end = 0;
    std::unordered_map<std::string_view, size_t> items;  // views of items_
  };

  void index_runs() {
    for (size_t begin = 0; begin < items_.size();) {
      size_t end = begin;
      while (end < items_.size() && items_[end].is_plain) ++end;
      if (end - begin >= kIndexedItemsMin) {
        Run& run = runs_[begin];
        run.end = end;
        for (size_t i = begin; i < end; ++i) run.items.emplace(items_[i].pattern, i);
      }
      begin = std::max(end, begin + 1);
    }
  }

  // At the begin of a run: moves `i` to the item of the run that matches, or behind it, which is
  // told by true: `i` then stands at its last item.
  bool skip_run(std::string_view lower, size_t& i) const {
    if (runs_.empty()) return false;
    const auto run = runs_.find(i);
    if (run == runs_.end()) return false;
    const auto found = run->second.items.find(lower);
    i = found == run->second.items.end() ? run->second.end - 1 : found->second;
    return found == run->second.items.end();
  }

  std::string_view shown_subject(const ListSubject& subject) const noexcept {
    return kind_ == ListKind::host ? std::string_view("host") : subject.text;
  }

  void show_end(Trace& trace, const ListSubject& subject, const ListMatch& match,
                const ListItem* decided_by) const {
    std::string result = match.match == Match::yes  ? "yes"
                         : match.match == Match::no ? "no"
                                                    : "deferred: " + match.message;
    if (match.match != Match::defer) {
      result += items_.empty() ? " (option unset)"
                : decided_by == nullptr
                    ? " (end of list)"
                    : " (matched \"" + std::string(decided_by->negated ? "!" : "") +
                          decided_by->text + "\")";
    }
    trace.event({TraceKind::list, shown_subject(subject), shown_, result, {}});
  }

  ListKind kind_;
  std::string shown_;
  std::vector<ListItem> items_;
  std::map<size_t, Run> runs_;  // by their first item
  bool is_worth_keeping_ = false;
};

// Splits and compiles the text of a list that needs no (more) expansion.
class ListBuilder {
 public:
  ListBuilder(ListKind kind, const ListOptions& options, ListNames& names, Diagnostics& diagnostics)
      : kind_(kind),
        options_(options),
        names_(names),
        diagnostics_(diagnostics),
        caseful_(options.caseful) {}

  std::shared_ptr<const ListPattern> build(const LocatedText& text) {
    const size_t errors = diagnostics_.error_count();
    for (const LocatedText& item : config::split_list(text)) {
      if (items_.size() >= kListItemsMax) {
        diagnostics_.error(item.begin_place(), "the list has too many items");
        break;
      }
      add(item);
    }
    if (diagnostics_.error_count() != errors) return nullptr;
    std::string shown = options_.label.empty() ? quoted(text.view()) : options_.label;
    return std::make_shared<StaticList>(kind_, std::move(shown), std::move(items_));
  }

 private:
  void add(LocatedText text) {
    if (take_flag(text.view())) return;
    ListItem item;
    item.on_unknown = on_unknown_;
    item.on_defer = on_defer_;
    if (text.view().starts_with('!')) {
      item.negated = true;
      text = text.substr(1).trimmed();
    }
    ItemProblem problem;
    const ItemOptions item_options{caseful_, options_.tainted, false};
    if (!compile_item(kind_, text.view(), item_options, names_, item, problem)) {
      if (!problem.unavailable)
        diagnostics_.error(text.begin_place(), problem.message, problem.hint);
      else if (!options_.tolerate_unavailable)
        diagnostics_.warning(text.begin_place(), problem.message + ": it is deferred");
    }
    item.is_plain = item.is_plain && !item.negated;
    if (item.test != nullptr) items_.push_back(std::move(item));
  }

  // Items that change how the others are read.
  bool take_flag(std::string_view text) {
    if (text == "+caseful" && (kind_ == ListKind::address || kind_ == ListKind::local_part)) {
      caseful_ = true;
      return true;
    }
    if (kind_ != ListKind::host) return false;
    for (const FlagRow& row : kHostFlags) {
      if (row.name != text) continue;
      (row.is_defer ? on_defer_ : on_unknown_) = row.effect;
      return true;
    }
    return false;
  }

  struct FlagRow {
    std::string_view name;
    bool is_defer;
    OnTrouble effect;
  };
  static constexpr std::array<FlagRow, 4> kHostFlags{{
      {"+include_unknown", false, OnTrouble::include},
      {"+ignore_unknown", false, OnTrouble::ignore},
      {"+include_defer", true, OnTrouble::include},
      {"+ignore_defer", true, OnTrouble::ignore},
  }};

  ListKind kind_;
  const ListOptions& options_;
  ListNames& names_;
  Diagnostics& diagnostics_;
  bool caseful_;
  OnTrouble on_unknown_ = OnTrouble::give_up;
  OnTrouble on_defer_ = OnTrouble::give_up;
  std::vector<ListItem> items_;
};

// The names of a finished NamedLists.
class FinishedNames final : public ListNames {
 public:
  FinishedNames(const NamedLists& lists,
                std::vector<std::string_view> (*names)(const NamedLists&, ListKind))
      : lists_(lists), names_(names) {}

  std::shared_ptr<const ListPattern> find_list(ListKind kind, std::string_view name,
                                               std::string& problem) override {
    auto list = lists_.find(kind, name);
    if (!list) {
      problem =
          "there is no " + std::string(config::list_kind_name(kind)) + " list " + quoted(name);
    }
    // Not owned: a list whose text names it again would own itself.
    return {std::shared_ptr<const ListPattern>(), list.get()};
  }
  std::vector<std::string_view> names(ListKind kind) const override { return names_(lists_, kind); }
  std::shared_ptr<const ListPattern> compile_inner(ListKind kind, std::string_view text,
                                                   std::string& problem) override {
    return compile_text(lists_, kind, text, problem);
  }
  static std::shared_ptr<const ListPattern> compile_text(const NamedLists& lists, ListKind kind,
                                                         std::string_view text,
                                                         std::string& problem) {
    ListOptions options;
    options.expand = false;
    Diagnostics problems;
    auto list = lists.compile(kind, LocatedText(std::string(text)), options, problems);
    if (!list) problem = problems.all().front().message;
    return list;
  }

 private:
  const NamedLists& lists_;
  std::vector<std::string_view> (*names_)(const NamedLists&, ListKind);
};

// A list whose text is expanded at each match. What a text compiles to is kept for the next time.
class ExpandedList final : public ListPattern {
 public:
  ExpandedList(ListKind kind, Expansion text, const ListOptions& options, const NamedLists& lists)
      : kind_(kind), text_(std::move(text)), lists_(lists) {
    options_.expand = false;
    options_.tolerate_unavailable = options.tolerate_unavailable;
    options_.label = options.label;
  }

  ListMatch match(const ListSubject& subject, EvalContext& context) const override {
    const DepthGuard guard(context);
    if (guard.too_deep()) return {Match::defer, {}, "lists are nested too deeply"};
    const EvalResult text = text_.evaluate(context);
    // Forced failure: as if the list were not there.
    if (text.status == EvalStatus::forced_fail) return {};
    if (!text.ok()) {
      return {Match::defer, {}, "failed to expand " + quoted(text_.source()) + ": " + text.text};
    }
    return compiled(text.text, text.tainted,
                    [&](const ListPattern& list) { return list.match(subject, context); });
  }

 private:
  using Cache = std::map<std::string, std::shared_ptr<const ListPattern>, std::less<>>;

  template <class Use>
  ListMatch compiled(const std::string& text, bool tainted, const Use& use) const {
    Cache& cache = caches_[tainted ? 1 : 0];
    const auto known = cache.find(text);
    if (known != cache.end()) {
      // Held here: a match inside may empty the cache.
      const std::shared_ptr<const ListPattern> held = known->second;
      return use(*held);
    }
    Diagnostics problems;
    ListOptions options = options_;
    options.tainted = tainted;
    const auto list = lists_.compile(kind_, LocatedText(text), options, problems);
    if (!list) return {Match::defer, {}, problems.all().front().message};
    if (text.size() <= kListCacheTextBytesMax) {
      if (cache.size() >= kListCacheEntriesMax) cache.clear();
      cache.emplace(text, list);
    }
    return use(*list);
  }

  ListKind kind_;
  Expansion text_;
  ListOptions options_;
  const NamedLists& lists_;
  // A worker is one thread; what is kept here only saves work.
  mutable std::array<Cache, 2> caches_;  // clean, tainted
};

std::shared_ptr<const ListPattern> compile_list(ListKind kind, const LocatedText& text,
                                                const ListOptions& options, const NamedLists& lists,
                                                ListNames& names, Diagnostics& diagnostics) {
  if (!options.expand) return ListBuilder(kind, options, names, diagnostics).build(text);
  CompileOptions compile_options;
  compile_options.lists = &lists;
  compile_options.tolerate_unavailable = options.tolerate_unavailable;
  const auto expansion = compile_expansion(text, compile_options, diagnostics);
  if (!expansion) return nullptr;
  if (!expansion->is_constant()) {
    return std::make_shared<ExpandedList>(kind, *expansion, options, lists);
  }
  if (expansion->constant() == text.view()) {
    return ListBuilder(kind, options, names, diagnostics).build(text);
  }
  // Escapes were taken off: the items stand where the list does.
  LocatedText plain;
  plain.append_fixed(expansion->constant(), text.begin_place());
  return ListBuilder(kind, options, names, diagnostics).build(plain);
}

}  // namespace

// Compiles named lists on demand, so that they may refer to each other in any order.
class NamedListBuilder final : public ListNames {
 public:
  NamedListBuilder(const config::ConfigDocument& document, NamedLists& lists,
                   Diagnostics& diagnostics)
      : document_(document), lists_(lists), diagnostics_(diagnostics) {}

  void run() {
    for (const config::NamedList& list : document_.lists) finish(list);
    // A list with errors was reported; what refers to it shall not be reported too.
    for (const config::NamedList* list : failed_) {
      lists_.tables_[static_cast<size_t>(list->kind)].emplace(
          list->name,
          std::make_shared<StaticList>(list->kind, std::string(), std::vector<ListItem>()));
    }
  }

  std::shared_ptr<const ListPattern> find_list(ListKind kind, std::string_view name,
                                               std::string& problem) override {
    for (const config::NamedList& list : document_.lists) {
      if (list.kind != kind || list.name != name) continue;
      if (in_progress_.contains(&list)) {
        problem = "the list " + quoted(name) + " refers to itself";
        return nullptr;
      }
      auto compiled = finish(list);
      if (!compiled) problem = "the list " + quoted(name) + " has errors";
      return compiled;
    }
    problem = "there is no " + std::string(config::list_kind_name(kind)) + " list " + quoted(name);
    return nullptr;
  }

  std::vector<std::string_view> names(ListKind kind) const override {
    std::vector<std::string_view> out;
    for (const config::NamedList& list : document_.lists) {
      if (list.kind == kind) out.push_back(list.name);
    }
    return out;
  }

  std::shared_ptr<const ListPattern> compile_inner(ListKind kind, std::string_view text,
                                                   std::string& problem) override {
    return FinishedNames::compile_text(lists_, kind, text, problem);
  }

  static std::vector<std::string_view> names_of(const NamedLists& lists, ListKind kind) {
    std::vector<std::string_view> out;
    for (const auto& [name, list] : lists.tables_[static_cast<size_t>(kind)]) out.push_back(name);
    return out;
  }

 private:
  std::shared_ptr<const ListPattern> finish(const config::NamedList& list) {
    auto& table = lists_.tables_[static_cast<size_t>(list.kind)];
    const auto known = table.find(list.name);
    if (known != table.end()) return known->second;
    if (failed_.contains(&list)) return nullptr;
    in_progress_.insert(&list);
    auto compiled = in_progress_.size() > static_cast<size_t>(kEvaluationDepthMax)
                        ? too_deep(list)
                        : compile_list(list.kind, list.value, {}, lists_, *this, diagnostics_);
    in_progress_.erase(&list);
    if (compiled) {
      table.emplace(list.name, compiled);
    } else {
      failed_.insert(&list);
    }
    return compiled;
  }

  std::shared_ptr<const ListPattern> too_deep(const config::NamedList& list) {
    diagnostics_.error(list.place, "named lists refer to each other too deeply");
    return nullptr;
  }

  const config::ConfigDocument& document_;
  NamedLists& lists_;
  Diagnostics& diagnostics_;
  std::set<const config::NamedList*> in_progress_;
  std::set<const config::NamedList*> failed_;
};

std::shared_ptr<const NamedLists> NamedLists::compile_all(const config::ConfigDocument& document,
                                                          Diagnostics& diagnostics) {
  auto lists = std::make_shared<NamedLists>();
  for (const config::NamedList& list : document.lists) {
    lists->texts_[static_cast<size_t>(list.kind)].emplace(list.name, list.value.text());
  }
  NamedListBuilder(document, *lists, diagnostics).run();
  return lists;
}

std::shared_ptr<const ListPattern> NamedLists::compile(ListKind kind, const LocatedText& text,
                                                       const ListOptions& options,
                                                       Diagnostics& diagnostics) const {
  FinishedNames names(*this, NamedListBuilder::names_of);
  return compile_list(kind, text, options, *this, names, diagnostics);
}

std::optional<std::string> NamedLists::text_of(ListKind kind, std::string_view name) const {
  const auto& texts = texts_[static_cast<size_t>(kind)];
  const auto found = texts.find(name);
  if (found == texts.end()) return std::nullopt;
  return found->second;
}

std::shared_ptr<const ListPattern> NamedLists::find(ListKind kind, std::string_view name) const {
  const Table& table = tables_[static_cast<size_t>(kind)];
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace godwit::acl
