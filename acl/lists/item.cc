#include "acl/lists/item.h"

#include "acl/expand/services.h"
#include "acl/expand/trace.h"
#include "acl/lists/decisions.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/diagnostics.h"

#include <algorithm>
#include <array>

namespace godwit::acl {
namespace {

using config::did_you_mean;

ListMatch yes(std::string data = {}) {
  return {Match::yes, std::move(data), {}};
}
ListMatch answer(bool matched, const ListItem& item) {
  return matched ? yes(item.text) : ListMatch{};
}

// --- Tests ---------------------------------------------------------------------------------------

// $0 is what matched; $1 what stands for the asterisk.
void capture(EvalContext& context, std::string_view whole) {
  context.captures.assign(whole);
  context.captures_tainted = true;
}
void capture(EvalContext& context, std::string_view whole, size_t wild_length) {
  capture(context, whole);
  context.captures.add(whole.substr(0, wild_length));
}

ItemAnswer test_anything(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  capture(context, subject.text, subject.text.size());
  return yes(item.text);
}

ItemAnswer test_exact(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  if (item.pattern != (item.caseful ? subject.text : subject.lower)) return {};
  capture(context, subject.text);
  return yes(item.text);
}

ItemAnswer test_suffix(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  const std::string_view text = item.caseful ? subject.text : subject.lower;
  if (!text.ends_with(item.pattern)) return {};
  capture(context, subject.text, text.size() - item.pattern.size());
  return yes(item.text);
}

ItemAnswer test_regex(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  const Result<bool> found = item.regex.search(subject.text, &context.captures);
  context.captures_tainted = true;
  if (!found)
    return ListMatch{
        Match::defer, {}, "regular expression " + item.text + ": " + found.error().detail()};
  if (!*found) return {};
  context.captures.replace_first(subject.text);
  return yes(item.text);
}

ItemAnswer test_list(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  const DepthGuard guard(context);
  if (guard.too_deep()) return ListMatch{Match::defer, {}, "lists are nested too deeply"};
  ListDecisions* decisions = context.services == nullptr ? nullptr : context.services->decisions;
  if (decisions == nullptr || !item.list->is_worth_keeping()) {
    return item.list->match(subject.subject, context);
  }
  if (const ListDecisions::Decision* known = decisions->find(*item.list, subject.subject)) {
    if (context.trace != nullptr) {
      const std::string result = known->match.match == Match::yes ? "yes (cached)" : "no (cached)";
      context.trace->event({TraceKind::list, subject.text, item.text, result, {}});
    }
    if (item.kind != ListKind::host) context.captures = known->captures;
    return known->match;
  }
  ListMatch match = item.list->match(subject.subject, context);
  decisions->keep(*item.list, subject.subject, {match, context.captures});
  return match;
}

ItemAnswer test_primary_hostname(const ListItem&, const ItemSubject& subject,
                                 EvalContext& context) {
  if (context.server == nullptr) return {};
  const std::string& name = context.server->primary_hostname;
  return equals_ignore_case(name, subject.text) ? yes(name) : ListMatch{};
}

// [192.0.2.1] or [IPv6:2001:db8::1] as a domain.
ItemAnswer test_local_literal(const ListItem& item, const ItemSubject& subject,
                              EvalContext& context) {
  std::string_view text = subject.lower;
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return {};
  text = text.substr(1, text.size() - 2);
  if (text.starts_with("ipv6:")) text.remove_prefix(5);
  const Result<IpAddress> address = IpAddress::parse(text);
  return answer(address.has_value() && is_local_address(*address, context), item);
}

ItemAnswer test_local_host(const ListItem&, const ItemSubject& subject, EvalContext& context) {
  const auto& address = subject.subject.address;
  return address && is_local_address(*address, context) ? yes() : ListMatch{};
}

ItemAnswer test_loopback(const ListItem&, const ItemSubject& subject, EvalContext&) {
  const auto& address = subject.subject.address;
  return address && address->is_loopback() ? yes() : ListMatch{};
}

ItemAnswer test_network(const ListItem& item, const ItemSubject& subject, EvalContext&) {
  const auto& address = subject.subject.address;
  return address && item.network.contains(*address) ? yes() : ListMatch{};
}

ItemAnswer test_no_host(const ListItem&, const ItemSubject& subject, EvalContext&) {
  return subject.subject.address ? ListMatch{} : yes();
}

ItemAnswer test_any_host(const ListItem&, const ItemSubject&, EvalContext&) {
  return yes();
}

ItemAnswer test_unavailable(const ListItem& item, const ItemSubject&, EvalContext&) {
  return ListMatch{
      Match::defer, {}, "the list item " + quoted(item.text) + " is not available yet"};
}

ItemSubject part_of(const ItemSubject& whole, size_t offset, size_t length) {
  return {whole.subject, whole.text.substr(offset, length), whole.lower.substr(offset, length)};
}

ItemAnswer test_address(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  const size_t at = subject.text.rfind('@');
  if (at == std::string_view::npos) return {};
  if (item.local_part) {
    const ItemSubject local = part_of(subject, 0, at);
    const ItemAnswer answer = item.local_part->test(*item.local_part, local, context);
    if (answer.match.match != Match::yes) return answer;
  }
  const ItemSubject domain = part_of(subject, at + 1, std::string_view::npos);
  const ListSubject only_domain{domain.text, std::nullopt, {}};
  const ItemSubject for_list{only_domain, domain.text, domain.lower};
  ItemAnswer answer = item.domain->test(*item.domain, for_list, context);
  if (answer.match.match != Match::yes) return answer;
  // The pattern of the local part, and what the domain gave.
  const size_t split = item.text.size() - item.domain->text.size();
  answer.match.data = split == 0 ? item.text : item.text.substr(0, split) + answer.match.data;
  return answer;
}

// --- Compilation ---------------------------------------------------------------------------------

class ItemCompiler {
 public:
  ItemCompiler(ListKind kind, const ItemOptions& options, ListNames& names, ListItem& item,
               ItemProblem& problem)
      : kind_(kind), options_(options), names_(names), item_(item), problem_(problem) {}

  bool run(std::string_view text) {
    item_.kind = kind_;
    item_.text = std::string(text);
    item_.caseful = options_.caseful;
    item_.tainted = options_.tainted;
    if (text.starts_with('+') && !options_.in_file) return named(text.substr(1));
    if (text.starts_with('^')) return regex(text);
    if (looks_like_lookup(text)) return lookup(text, kind_, test_lookup);
    if (text.starts_with('/') && !options_.in_file) return file(text);
    switch (kind_) {
      case ListKind::domain:
        return domain(text);
      case ListKind::host:
        return host(text);
      case ListKind::address:
        return address(text);
      case ListKind::local_part:
        return plain(text);
    }
    return false;
  }

 private:
  bool wrong(std::string message, std::string hint = {}) {
    problem_ = {std::move(message), std::move(hint), false};
    return false;
  }
  bool test_by(TestItem test) {
    item_.test = test;
    return true;
  }

  bool named(std::string_view name) {
    std::string message;
    item_.list = names_.find_list(kind_, name, message);
    if (item_.list) return test_by(test_list);
    return wrong(std::move(message), did_you_mean(name, names_.names(kind_)));
  }

  bool regex(std::string_view text) {
    Result<Regex> made = Regex::compile(text, !options_.caseful || kind_ == ListKind::host);
    if (!made) return wrong("regular expression " + quoted(text) + ": " + made.error().detail());
    item_.regex = std::move(made).value();
    return test_by(kind_ == ListKind::host ? test_host_regex : test_regex);
  }

  bool file(std::string_view text) {
    item_.file = make_list_file(std::string(text));
    return test_by(test_file);
  }

  bool lookup(std::string_view text, ListKind kind, TestItem test) {
    std::optional<ItemLookup> made = parse_item_lookup(kind, text, options_.tainted, problem_);
    if (!made) return false;
    // Parts of a whole address mean nothing.
    if (kind == ListKind::address) made->spec.partial_labels = -1;
    item_.lookup = std::make_shared<const ItemLookup>(std::move(*made));
    return test_by(test);
  }

  // Exact, or a suffix after '*'.
  bool plain(std::string_view text) {
    const bool suffix = text.starts_with('*');
    if (suffix) text.remove_prefix(1);
    item_.pattern = options_.caseful ? std::string(text) : to_lower(text);
    if (suffix && text.empty()) return test_by(test_anything);
    item_.is_plain = !suffix && kind_ == ListKind::domain;
    return test_by(suffix ? test_suffix : test_exact);
  }

  bool domain(std::string_view text) {
    if (text == "@") return test_by(test_primary_hostname);
    if (text == "@[]") return test_by(test_local_literal);
    if (text.starts_with("@mx_")) return mail_exchanger(text);
    return plain(text);
  }

  // @mx_any, @mx_primary, @mx_secondary; /ignore=<addresses>
  bool mail_exchanger(std::string_view text) {
    const size_t slash = std::min(text.find('/'), text.size());
    const std::string_view which = text.substr(4, slash - 4);
    if (which != "any" && which != "primary" && which != "secondary")
      return wrong(quoted(text) + " is not @mx_any, @mx_primary or @mx_secondary");
    item_.pattern = std::string(which);
    std::string_view option = text.substr(slash);
    if (!option.empty()) {
      if (!option.starts_with("/ignore="))
        return wrong("\"/ignore=\" is expected after @mx_" + item_.pattern);
      option.remove_prefix(8);
      std::string message;
      item_.list = names_.compile_inner(ListKind::host, option, message);
      if (!item_.list) return wrong(std::move(message));
    }
    return test_by(test_mail_exchanger);
  }

  bool host(std::string_view text) {
    if (text.empty()) return test_by(test_no_host);
    if (text == "*") return test_by(test_any_host);
    if (text == "@" || text == "@[]") return test_by(test_local_host);
    // RFC 6761 6.3: this name needs no question.
    if (equals_ignore_case(text, "localhost")) return test_by(test_loopback);
    if (text.starts_with('*')) {
      item_.pattern = to_lower(text.substr(1));
      return test_by(test_host_suffix);
    }
    std::string bare(text);
    if (bare.size() > 2 && bare.front() == '[' && bare.back() == ']') {
      bare = bare.substr(1, bare.size() - 2);
    }
    if (Result<Cidr> network = Cidr::parse(bare)) {
      item_.network = *network;
      return test_by(test_network);
    }
    // Not an address though it looks like one.
    const bool numeric = text.find_first_not_of("0123456789./") == std::string_view::npos;
    if (numeric || text.find(':') != std::string_view::npos ||
        text.find('/') != std::string_view::npos) {
      return wrong(quoted(text) + " is neither an IP address nor a network");
    }
    item_.pattern = to_lower(text);
    return test_by(test_host_address);
  }

  bool address(std::string_view text) {
    if (text.empty()) return plain(text);
    if (text.starts_with("@@")) {
      if (!looks_like_lookup(text.substr(2))) return wrong("a lookup is expected after \"@@\"");
      return lookup(text.substr(2), ListKind::domain, test_local_part_lookup);
    }
    // The '@' between the parts; that of "lsearch*@;" and those of a file are not.
    std::string_view head = text.substr(0, text.find(';'));
    if (head.size() < text.size() && head.ends_with("*@")) head.remove_suffix(2);
    const size_t split = head.rfind('@');
    const std::string_view local =
        split == std::string_view::npos ? std::string_view("*") : text.substr(0, split);
    const std::string_view domain_text =
        split == std::string_view::npos ? text : text.substr(split + 1);
    if (local != "*") {
      auto part = std::make_shared<ListItem>();
      if (!ItemCompiler(ListKind::local_part, options_, names_, *part, problem_).run(local)) {
        return false;
      }
      item_.local_part = std::move(part);
    }
    auto part = std::make_shared<ListItem>();
    ItemOptions options = options_;
    options.caseful = false;
    if (!ItemCompiler(ListKind::domain, options, names_, *part, problem_).run(domain_text)) {
      return false;
    }
    item_.domain = std::move(part);
    return test_by(test_address);
  }

  ListKind kind_;
  const ItemOptions& options_;
  ListNames& names_;
  ListItem& item_;
  ItemProblem& problem_;
};

}  // namespace

bool compile_item(ListKind kind, std::string_view text, const ItemOptions& options,
                  ListNames& names, ListItem& item, ItemProblem& problem) {
  if (ItemCompiler(kind, options, names, item, problem).run(text)) return true;
  if (problem.unavailable) item.test = test_unavailable;
  return false;
}

bool item_can_suspend(const ListItem& item) noexcept {
  if (item.lookup || item.file || item.test == test_host_address || item.test == test_host_suffix ||
      item.test == test_host_regex || item.test == test_mail_exchanger) {
    return true;
  }
  if (item.list && item.list->can_suspend()) return true;
  if (item.local_part && item_can_suspend(*item.local_part)) return true;
  return item.domain && item_can_suspend(*item.domain);
}

bool item_is_stable(const ListItem& item) noexcept {
  if (item.list && !item.list->is_stable()) return false;
  if (item.local_part && !item_is_stable(*item.local_part)) return false;
  return !item.domain || item_is_stable(*item.domain);
}

}  // namespace godwit::acl
