#include "acl/lists/item.h"

#include "core/base/ascii.h"
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

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

// --- Tests ---------------------------------------------------------------------------------------

ListMatch test_anything(const ListItem& item, const ItemSubject&, EvalContext&) {
  return yes(item.text);
}

ListMatch test_exact(const ListItem& item, const ItemSubject& subject, EvalContext&) {
  return answer(item.pattern == (item.caseful ? subject.text : subject.lower), item);
}

ListMatch test_suffix(const ListItem& item, const ItemSubject& subject, EvalContext&) {
  return answer((item.caseful ? subject.text : subject.lower).ends_with(item.pattern), item);
}

ListMatch test_regex(const ListItem& item, const ItemSubject& subject, EvalContext&) {
  const Result<bool> found = item.regex.search(subject.text);
  if (!found)
    return {Match::defer, {}, "regular expression " + item.text + ": " + found.error().detail()};
  return answer(*found, item);
}

ListMatch test_list(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  const DepthGuard guard(context);
  if (guard.too_deep()) return {Match::defer, {}, "lists are nested too deeply"};
  return item.list->match(subject.subject, context);
}

ListMatch test_primary_hostname(const ListItem&, const ItemSubject& subject, EvalContext& context) {
  if (context.server == nullptr) return {};
  const std::string& name = context.server->primary_hostname;
  return equals_ignore_case(name, subject.text) ? yes(name) : ListMatch{};
}

bool is_local(const IpAddress& address, const EvalContext& context) {
  if (address.is_loopback()) return true;
  if (context.server == nullptr) return false;
  const auto& known = context.server->local_addresses;
  return std::find(known.begin(), known.end(), address) != known.end();
}

// [192.0.2.1] or [IPv6:2001:db8::1] as a domain.
ListMatch test_local_literal(const ListItem& item, const ItemSubject& subject,
                             EvalContext& context) {
  std::string_view text = subject.lower;
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return {};
  text = text.substr(1, text.size() - 2);
  if (text.starts_with("ipv6:")) text.remove_prefix(5);
  const Result<IpAddress> address = IpAddress::parse(text);
  return answer(address.has_value() && is_local(*address, context), item);
}

ListMatch test_local_host(const ListItem&, const ItemSubject& subject, EvalContext& context) {
  const auto& address = subject.subject.address;
  return address && is_local(*address, context) ? yes() : ListMatch{};
}

ListMatch test_loopback(const ListItem&, const ItemSubject& subject, EvalContext&) {
  const auto& address = subject.subject.address;
  return address && address->is_loopback() ? yes() : ListMatch{};
}

ListMatch test_network(const ListItem& item, const ItemSubject& subject, EvalContext&) {
  const auto& address = subject.subject.address;
  return address && item.network.contains(*address) ? yes() : ListMatch{};
}

ListMatch test_no_host(const ListItem&, const ItemSubject& subject, EvalContext&) {
  return subject.subject.address ? ListMatch{} : yes();
}

ListMatch test_any_host(const ListItem&, const ItemSubject&, EvalContext&) {
  return yes();
}

ListMatch test_unavailable(const ListItem& item, const ItemSubject&, EvalContext&) {
  return {Match::defer, {}, "the list item " + quoted(item.text) + " is not available yet"};
}

ItemSubject part_of(const ItemSubject& whole, size_t offset, size_t length) {
  return {whole.subject, whole.text.substr(offset, length), whole.lower.substr(offset, length)};
}

ListMatch test_address(const ListItem& item, const ItemSubject& subject, EvalContext& context) {
  const size_t at = subject.text.rfind('@');
  if (at == std::string_view::npos) return {};
  if (item.local_part) {
    const ItemSubject local = part_of(subject, 0, at);
    if (item.local_part->test(*item.local_part, local, context).match != Match::yes) return {};
  }
  const ItemSubject domain = part_of(subject, at + 1, std::string_view::npos);
  const ListSubject only_domain{domain.text, std::nullopt, {}};
  const ItemSubject for_list{only_domain, domain.text, domain.lower};
  ListMatch match = item.domain->test(*item.domain, for_list, context);
  if (match.match == Match::yes) match.data = item.text;
  return match;
}

// --- Compilation ---------------------------------------------------------------------------------

class ItemCompiler {
 public:
  ItemCompiler(ListKind kind, bool caseful, ListNames& names, ListItem& item, ItemProblem& problem)
      : kind_(kind), caseful_(caseful), names_(names), item_(item), problem_(problem) {}

  bool run(std::string_view text) {
    item_.text = std::string(text);
    item_.caseful = caseful_;
    if (text.starts_with('+')) return named(text.substr(1));
    if (text.starts_with('^')) return regex(text);
    if (is_lookup(text)) return unavailable("the lookup " + quoted(text) + " in a list");
    if (text.starts_with('/') && kind_ != ListKind::host) return file(text);
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
  bool unavailable(std::string what) {
    problem_ = {what + " is not available yet", {}, true};
    item_.test = test_unavailable;
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
    if (kind_ == ListKind::host) return unavailable("a host name in a host list");
    Result<Regex> made = Regex::compile(text, !caseful_);
    if (!made) return wrong("regular expression " + quoted(text) + ": " + made.error().detail());
    item_.regex = std::move(made).value();
    return test_by(test_regex);
  }

  bool file(std::string_view text) {
    return unavailable("the file " + quoted(text) + " as part of a list");
  }

  // type;data, partial-type;data, net24-type;data, type*@,option=x;data.
  static bool is_lookup(std::string_view text) {
    const size_t end = text.find(';');
    if (end == std::string_view::npos || end == 0) return false;
    std::string_view type = text.substr(0, end);
    type = type.substr(0, type.find(','));
    return is_alpha(trim(type).empty() ? ' ' : trim(type).front()) &&
           std::all_of(type.begin(), type.end(), [](char c) {
             return is_alnum(c) || c == '-' || c == '*' || c == '@' || c == '_' || c == '.' ||
                    c == '(' || c == ')' || is_space(c);
           });
  }

  // Exact, or a suffix after '*'.
  bool plain(std::string_view text) {
    const bool suffix = text.starts_with('*');
    if (suffix) text.remove_prefix(1);
    item_.pattern = caseful_ ? std::string(text) : to_lower(text);
    if (suffix && text.empty()) return test_by(test_anything);
    return test_by(suffix ? test_suffix : test_exact);
  }

  bool domain(std::string_view text) {
    if (text == "@") return test_by(test_primary_hostname);
    if (text == "@[]") return test_by(test_local_literal);
    if (text.starts_with("@mx_")) return unavailable(quoted(text));
    return plain(text);
  }

  bool host(std::string_view text) {
    if (text.empty()) return test_by(test_no_host);
    if (text == "*") return test_by(test_any_host);
    if (text == "@" || text == "@[]") return test_by(test_local_host);
    // RFC 6761 6.3: this name needs no question.
    if (equals_ignore_case(text, "localhost")) return test_by(test_loopback);
    if (text.starts_with('/')) return file(text);
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
    return unavailable("the host name " + quoted(text) + " in a host list");
  }

  bool address(std::string_view text) {
    if (text.empty()) return plain(text);
    if (text.starts_with("@@")) return unavailable(quoted(text));
    const size_t at = text.rfind('@');
    const std::string_view local =
        at == std::string_view::npos ? std::string_view("*") : text.substr(0, at);
    const std::string_view domain_text = at == std::string_view::npos ? text : text.substr(at + 1);
    if (local != "*") {
      auto part = std::make_shared<ListItem>();
      if (!ItemCompiler(ListKind::local_part, caseful_, names_, *part, problem_).run(local)) {
        return false;
      }
      item_.local_part = std::move(part);
    }
    auto part = std::make_shared<ListItem>();
    if (!ItemCompiler(ListKind::domain, false, names_, *part, problem_).run(domain_text)) {
      item_.test = test_unavailable;
      return false;
    }
    item_.domain = std::move(part);
    return test_by(test_address);
  }

  ListKind kind_;
  bool caseful_;
  ListNames& names_;
  ListItem& item_;
  ItemProblem& problem_;
};

}  // namespace

bool compile_item(ListKind kind, std::string_view text, bool caseful, ListNames& names,
                  ListItem& item, ItemProblem& problem) {
  if (ItemCompiler(kind, caseful, names, item, problem).run(text)) return true;
  if (problem.unavailable) item.test = test_unavailable;
  return false;
}

}  // namespace godwit::acl
