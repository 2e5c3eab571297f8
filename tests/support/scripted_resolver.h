// A Resolver that answers from a script, at once. Names that have no record do not exist; CNAMEs
// are followed.
#pragma once

#include "core/base/ascii.h"
#include "dns/resolver.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace godwit::test {

class ScriptedResolver final : public dns::Resolver {
 public:
  bool secure = false;             // of every answer, but for `insecure` names
  std::vector<std::string> asked;  // "MX a.test"

  void add(const std::string& name, dns::RrType type, decltype(dns::Record::data) data) {
    names_[to_lower(name)][type].push_back({type, 300, std::move(data)});
  }
  void add_address(const std::string& name, std::string_view address) {
    const IpAddress parsed = *IpAddress::parse(address);
    add(name, parsed.is_v6() ? dns::RrType::AAAA : dns::RrType::A, parsed);
  }
  void add_mx(const std::string& name, uint16_t preference, const std::string& exchange) {
    add(name, dns::RrType::MX, dns::Mx{preference, exchange});
  }
  void add_text(const std::string& name, const std::string& text) {
    add(name, dns::RrType::TXT, dns::Txt{{text}});
  }
  void add_pointer(const std::string& name, const std::string& host) {
    add(name, dns::RrType::PTR, dns::HostName{host});
  }
  void add_alias(const std::string& name, const std::string& target) {
    add(name, dns::RrType::CNAME, dns::HostName{target});
  }
  void add_service(const std::string& name, dns::Srv service) {
    add(name, dns::RrType::SRV, std::move(service));
  }
  // The question gives an error from now on.
  void fail(const std::string& name, dns::RrType type, Errc code = Errc::dns_failed) {
    failures_.insert_or_assign({to_lower(name), type}, code);
  }
  void make_insecure(const std::string& name) { insecure_[to_lower(name)] = true; }

  Task<Result<dns::Answer>> query(std::string name, dns::RrType type, dns::QueryOptions,
                                  CancelSource*) override {
    name = to_lower(name);
    if (name.size() > 1 && name.ends_with('.')) name.pop_back();
    asked.push_back(to_string(type) + " " + name);
    dns::Answer answer;
    answer.secure = secure;
    for (int hops = 0; hops < 10; ++hops) {
      answer.name = name;
      if (insecure_.contains(name)) answer.secure = false;
      const auto failure = failures_.find({name, type});
      if (failure != failures_.end())
        co_return Error(failure->second, to_string(type) + " of " + name + ": scripted");
      const auto known = names_.find(name);
      answer.status =
          known == names_.end() ? dns::AnswerStatus::no_name : dns::AnswerStatus::no_data;
      if (known == names_.end()) co_return answer;
      const auto records = known->second.find(type);
      if (records != known->second.end()) {
        answer.status = dns::AnswerStatus::found;
        answer.ttl_seconds = 300;
        answer.records = records->second;
        co_return answer;
      }
      const auto alias = known->second.find(dns::RrType::CNAME);
      if (alias == known->second.end()) co_return answer;
      name = to_lower(alias->second.front().as<dns::HostName>()->name);
      answer.has_alias = true;
    }
    co_return Error(Errc::dns_failed, "CNAME loop for " + name);
  }

 private:
  std::map<std::string, std::map<dns::RrType, std::vector<dns::Record>>> names_;
  std::map<std::pair<std::string, dns::RrType>, Errc> failures_;
  std::map<std::string, bool> insecure_;
};

}  // namespace godwit::test
