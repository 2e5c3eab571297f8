// dnslists = list1,list2=127.0.0.2/key1::key2 : ... Whether the client, or another key, is on one
// of the lists in the DNS (RFC 5782). The resolver keeps answers as long as they live.
#include "acl/expand/list_text.h"
#include "acl/expand/services.h"
#include "acl/policy/conditions.h"
#include "acl/policy/run.h"
#include "core/base/ascii.h"
#include "dns/questions.h"

#include <algorithm>
#include <vector>

namespace godwit::acl {
namespace {

// What an answer that could not be had counts as: +include_unknown and its kin.
struct UnknownRow {
  std::string_view name;
  Answer answer;
  std::string_view said;
};
constexpr auto kUnknown = std::to_array<UnknownRow>({
    {"+exclude_unknown", Answer::no, "assumed not in list"},
    {"+include_unknown", Answer::yes, "assumed in list"},
    {"+defer_unknown", Answer::defer, "returned DEFER"},
});

// domain_for_text,domain=addresses/keys
struct ListQuestion {
  std::string domain;       // is asked
  std::string text_domain;  // gives $dnslist_domain and the text
  std::vector<IpAddress> addresses;
  bool has_addresses = false;
  bool negated = false;   // !=
  bool all = false;       // ==: every record counts
  bool is_masks = false;  // &: addresses are bit masks
  std::string keys;       // a list; empty: the client
  bool has_keys = false;
};

// Splits at the operator. False: an address is none, which `problem` names.
bool take_addresses(std::string_view& item, ListQuestion& question, std::string& problem) {
  size_t at = item.find_first_of("=&");
  if (at == std::string_view::npos) return true;
  std::string_view values = item.substr(at + 1);
  question.is_masks = item[at] == '&';
  if (!question.is_masks && !values.empty() && (values[0] == '=' || values[0] == '&')) {
    question.all = true;
    question.is_masks = values[0] == '&';
    values.remove_prefix(1);
  }
  question.negated = at > 0 && item[at - 1] == '!';
  item = trim(item.substr(0, question.negated ? at - 1 : at));
  question.has_addresses = true;
  while (!values.empty()) {
    const size_t comma = std::min(values.find(','), values.size());
    const std::string_view text = trim(values.substr(0, comma));
    const Result<IpAddress> address = IpAddress::parse(text);
    if (!address || address->is_v6()) {
      problem = "\"" + std::string(text) + "\" in dnslists is no IPv4 address";
      return false;
    }
    question.addresses.push_back(*address);
    values.remove_prefix(std::min(comma + 1, values.size()));
  }
  return true;
}

bool parse_question(std::string_view item, ListQuestion& question, std::string& problem) {
  const size_t slash = item.find('/');
  if (slash != std::string_view::npos) {
    question.has_keys = true;
    question.keys = std::string(trim(item.substr(slash + 1)));
    item = trim(item.substr(0, slash));
  }
  if (!take_addresses(item, question, problem)) return false;
  const size_t comma = item.find(',');
  question.text_domain = std::string(trim(item.substr(0, comma)));
  question.domain = comma == std::string_view::npos ? question.text_domain
                                                    : std::string(trim(item.substr(comma + 1)));
  return true;
}

bool is_listed_value(const ListQuestion& question, const IpAddress& value) {
  const auto fits = [&](const IpAddress& wanted) {
    if (!question.is_masks) return wanted == value;
    for (size_t i = 0; i < 4; ++i) {
      const auto mask = static_cast<unsigned char>(wanted.bytes()[i]);
      if ((static_cast<unsigned char>(value.bytes()[i]) & mask) != mask) return false;
    }
    return true;
  };
  return std::any_of(question.addresses.begin(), question.addresses.end(), fits);
}

bool values_fit(const ListQuestion& question, const std::vector<IpAddress>& values) {
  if (!question.has_addresses) return true;
  const auto fits = [&](const IpAddress& value) { return is_listed_value(question, value); };
  const bool found = question.all ? std::all_of(values.begin(), values.end(), fits)
                                  : std::any_of(values.begin(), values.end(), fits);
  return found != question.negated;
}

class ListCheck {
 public:
  ListCheck(AclRun& run, dns::Resolver& resolver) : run_(run), resolver_(resolver) {}

  Answer check(std::string_view lists) {
    ListReader reader(lists);
    std::string_view item;
    while (reader.next(item)) {
      const auto flag = std::find_if(kUnknown.begin(), kUnknown.end(),
                                     [&](const UnknownRow& row) { return row.name == item; });
      if (flag != kUnknown.end()) {
        unknown_ = &*flag;
        continue;
      }
      if (item.empty()) continue;
      ListQuestion question;
      std::string problem;
      if (!parse_question(item, question, problem)) return run_.error(std::move(problem));
      const Answer answer = check_item(question);
      if (answer != Answer::no) return answer;
    }
    return Answer::no;
  }

 private:
  Answer check_item(const ListQuestion& question) {
    if (!question.has_keys) {
      const ConnectionFacts* connection = run_.context().connection;
      if (connection == nullptr || !connection->sender_host) return Answer::no;
      const IpAddress& client = connection->sender_host->address;
      return check_key(question, client.to_string(), dns::reversed_labels(client));
    }
    ListReader keys(question.keys);
    std::string_view item;
    bool deferred = false;
    while (keys.next(item)) {
      const std::string key(item);
      if (key.empty()) continue;
      const Result<IpAddress> address = IpAddress::parse(key);
      const Answer answer =
          check_key(question, key, address ? dns::reversed_labels(*address) : key);
      if (answer == Answer::yes) return answer;
      deferred = deferred || answer == Answer::defer;
    }
    return deferred ? run_.defer("dnslists: a list could not be asked") : Answer::no;
  }

  Answer check_key(const ListQuestion& question, const std::string& key,
                   const std::string& labels) {
    Answer answer = ask(question, labels, question.domain, true);
    if (answer == Answer::yes && question.domain != question.text_domain)
      answer = ask(question, labels, question.text_domain, false);
    if (answer != Answer::yes) return answer;
    Findings& findings = run_.context().findings;
    findings.dnslist_domain = question.text_domain;
    findings.dnslist_matched = key;
    return answer;
  }

  Answer ask(const ListQuestion& question, const std::string& labels, const std::string& domain,
             bool with_values) {
    const Result<dns::ListEntry> entry = dns::wait_here(dns::list_entry(resolver_, labels, domain));
    Findings& findings = run_.context().findings;
    if (run_.context().trace != nullptr) show(labels + "." + domain, entry);
    if (!entry) {
      note("dns list lookup defer (probably timeout) for " + labels + "." + domain + ": " +
               std::string(unknown_->said),
           config::LogSelector::dnslist_defer);
      if (unknown_->answer == Answer::yes) {
        findings.dnslist_value.clear();
        findings.dnslist_text.clear();
      }
      if (unknown_->answer != Answer::defer) return unknown_->answer;
      return run_.defer("dnslists: " + labels + "." + domain + " could not be asked");
    }
    if (!entry->listed) return Answer::no;
    const std::vector<IpAddress> values = believable(*entry, labels + "." + domain);
    if (values.empty()) return Answer::no;
    if (with_values && !values_fit(question, values)) return Answer::no;
    findings.dnslist_value.clear();
    for (const IpAddress& value : values) {
      if (!findings.dnslist_value.empty()) findings.dnslist_value += ", ";
      findings.dnslist_value += value.to_string();
    }
    // The reason is asked only where the check ends here.
    if (with_values && question.domain != question.text_domain) return Answer::yes;
    const Result<std::string> reason = dns::wait_here(dns::list_reason(resolver_, labels, domain));
    findings.dnslist_text = reason ? *reason : std::string();
    return Answer::yes;
  }

  void show(const std::string& name, const Result<dns::ListEntry>& entry) {
    std::string text;
    if (!entry) {
      text = "deferred: " + entry.error().detail();
    } else {
      for (const IpAddress& value : entry->addresses)
        text += (text.empty() ? "" : ", ") + value.to_string();
      if (!entry->listed) text = "not listed";
    }
    run_.context().trace->event({TraceKind::dnsbl, {}, name, text, {}});
  }

  // What is outside of 127/8 is the answer of somebody who took the domain over.
  std::vector<IpAddress> believable(const dns::ListEntry& entry, const std::string& name) {
    std::vector<IpAddress> out;
    for (const IpAddress& value : entry.addresses) {
      if (!value.is_v6() && value.bytes()[0] == 127) {
        out.push_back(value);
      } else {
        note("DNS list lookup for " + name + " returned " + value.to_string() +
                 "; not in 127.0/8 and discarded",
             {});
      }
    }
    return out;
  }

  void note(std::string text, std::optional<config::LogSelector> selector) {
    run_.effects().log_writes.push_back(
        {static_cast<uint8_t>(LogTarget::main), false, std::move(text), selector});
  }

  AclRun& run_;
  dns::Resolver& resolver_;
  const UnknownRow* unknown_ = &kUnknown[0];
};

}  // namespace

Answer run_dnslists(AclRun& run, const AclCondition&, const std::string& value) {
  const Services* services = run.context().services;
  if (services == nullptr || services->resolver == nullptr)
    return run.defer("dnslists: the DNS cannot be asked here");
  return ListCheck(run, *services->resolver).check(value);
}

std::optional<std::string> check_dnslists(std::string_view value) {
  ListReader reader(value);
  std::string_view item;
  while (reader.next(item)) {
    ListQuestion question;
    std::string problem;
    const bool is_flag = item.starts_with('+');
    const bool known = std::any_of(kUnknown.begin(), kUnknown.end(),
                                   [&](const UnknownRow& row) { return row.name == item; });
    if (is_flag && !known) return "unknown item \"" + std::string(item) + "\" in dnslists";
    if (!is_flag && !parse_question(item, question, problem)) return problem;
  }
  return std::nullopt;
}

}  // namespace godwit::acl
