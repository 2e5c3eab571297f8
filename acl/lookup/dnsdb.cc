// dnsdb: records of the DNS as text.
#include "acl/lookup/dnsdb_query.h"
#include "acl/lookup/finders.h"
#include "acl/lookup/parts.h"
#include "core/base/ip_address.h"
#include "dns/authorization.h"
#include "dns/questions.h"
#include "dns/resolver.h"

#include <optional>
#include <string>
#include <utility>

namespace godwit::acl {
namespace {

using dns::RrType;

// Asks one query's names and gathers what they give.
class DnsdbSearch {
 public:
  DnsdbSearch(dns::Resolver& resolver, const DnsdbQuery& query, size_t csa_parents_max)
      : resolver_(resolver), query_(query), csa_parents_max_(csa_parents_max) {
    options_.retrans = query.retrans;
    options_.attempts = query.retry;
  }

  Result<LookupFound> run() {
    for (const std::string& name : query_.names) {
      if (ask_name(name)) continue;
      return deferred("dnsdb: " + failure_->detail());
    }
    if (text_.empty() && failure_ && query_.defer != DnsdbQuery::Defer::never)
      return deferred("dnsdb: " + failure_->detail());
    if (text_.empty()) return LookupFound();
    LookupFound answer = found(std::move(text_));
    if (query_.dnssec != DnsdbQuery::Dnssec::never) answer->dnssec = secure_;
    return answer;
  }

 private:
  // False where the whole lookup ends with failure_.
  bool ask_name(const std::string& name) {
    const RrType type = query_.type->rr_type;
    switch (query_.type->form) {
      case DnsdbForm::plain:
      case DnsdbForm::exchangers:
        return ask_plain(name, type);
      case DnsdbForm::addresses:
        return ask_plain(name, RrType::AAAA) && ask_plain(name, RrType::A);
      case DnsdbForm::zone:
        return ask_zone(name, type);
      case DnsdbForm::authorization:
        return ask_authorization(name);
    }
    return true;
  }

  // Records, or none. False as above; an Error that does not end the lookup counts as none.
  bool ask(const std::string& name, RrType type, std::optional<dns::Answer>& answer) {
    Result<dns::Answer> asked = dns::ask(resolver_, name, type, options_);
    const bool must_be_secure = query_.dnssec == DnsdbQuery::Dnssec::strict;
    if (asked && must_be_secure && !asked->secure)
      asked = deferred("the answer for " + name + " is not authenticated");
    if (asked) {
      answer.emplace(std::move(*asked));
      return true;
    }
    failure_ = asked.error();
    return query_.defer != DnsdbQuery::Defer::strict;
  }

  void add(const dns::Answer& answer) {
    secure_ = secure_ && answer.secure;
    append_dnsdb_records(text_, query_, answer.records);
  }

  bool ask_plain(const std::string& name, RrType type) {
    std::string target = name;
    const Result<IpAddress> address = IpAddress::parse(name);
    if (type == RrType::PTR && address) target = dns::reverse_name(*address);
    std::optional<dns::Answer> answer;
    if (!ask(target, type, answer)) return false;
    if (answer && answer->found()) add(*answer);
    return true;
  }

  // Of the name, or of the nearest parent that has such records; never of the root.
  bool ask_zone(const std::string& name, RrType type) {
    for (std::string_view zone = name; !zone.empty();) {
      std::optional<dns::Answer> answer;
      if (!ask(std::string(zone), type, answer)) return false;
      if (!answer) return true;
      if (answer->found()) {
        add(*answer);
        return true;
      }
      const size_t dot = zone.find('.');
      zone = dot == std::string_view::npos ? std::string_view() : zone.substr(dot + 1);
    }
    return true;
  }

  bool ask_authorization(const std::string& name) {
    Result<dns::Authorization> asked =
        dns::wait_here(dns::client_authorization(resolver_, name, csa_parents_max_, options_));
    if (asked && query_.dnssec == DnsdbQuery::Dnssec::strict && !asked->answer.secure)
      asked = deferred("the answer for " + name + " is not authenticated");
    if (asked) {
      add_authorization(*asked);
      return true;
    }
    failure_ = asked.error();
    return query_.defer != DnsdbQuery::Defer::strict;
  }

  void add_authorization(const dns::Authorization& found) {
    constexpr std::string_view kCodes = "NNY?";  // by weight
    for (const dns::Record& record : found.answer.records) {
      const auto* srv = record.as<dns::Srv>();
      if (srv == nullptr || srv->priority != dns::kAuthorizationVersion) continue;
      if (!found.is_parent && srv->weight >= kCodes.size()) continue;
      const char parent_code = (srv->port & dns::kAuthorizationExplicit) != 0 ? 'X' : '?';
      secure_ = secure_ && found.answer.secure;
      if (!text_.empty()) text_ += query_.separator;
      text_ += found.is_parent ? parent_code : kCodes[srv->weight];
      text_ += query_.field_separator.value_or(" ");
      text_ += srv->target;
    }
  }

  dns::Resolver& resolver_;
  const DnsdbQuery& query_;
  size_t csa_parents_max_;
  dns::QueryOptions options_;
  std::string text_;
  bool secure_ = true;
  std::optional<Error> failure_;
};

}  // namespace

Result<LookupFound> find_dnsdb(LookupParts& parts, const LookupCall& call) {
  const Result<DnsdbQuery> query = parse_dnsdb_query(call.key);
  if (!query) return query.error();
  if (parts.options.resolver == nullptr) return deferred("dnsdb: there is no resolver");
  return DnsdbSearch(*parts.options.resolver, *query, parts.options.csa_parents_max).run();
}

}  // namespace godwit::acl
