#include "dns/questions.h"

#include "core/base/ascii.h"
#include "dns/hosts_file.h"

#include <algorithm>
#include <array>

namespace godwit::dns {
namespace {

constexpr std::array kReverseOrder{ReverseMethod::bydns, ReverseMethod::byaddr};

void add_addresses(HostAddresses& out, const Answer& answer) {
  for (const Record& record : answer.records) {
    const auto* address = record.as<IpAddress>();
    if (address == nullptr || out.addresses.size() >= kAddressesMax) continue;
    const bool known =
        std::find(out.addresses.begin(), out.addresses.end(), *address) != out.addresses.end();
    if (!known) out.addresses.push_back(*address);
  }
}

bool contains_name(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(),
                     [name](const std::string& known) { return equals_ignore_case(known, name); });
}

// Which of `names` lead back to `address`. An error only where none does and one could not be
// asked.
Task<Result<void>> confirm(Resolver& resolver, const std::vector<std::string>& names,
                           IpAddress address, const ReverseOptions& options, CancelSource* cancel,
                           ReverseName& out) {
  std::optional<Error> unasked;
  const RrType type = address.is_v6() ? RrType::AAAA : RrType::A;
  for (const std::string& name : names) {
    const Result<Answer> forward = co_await resolver.query(name, type, options.query, cancel);
    if (!forward) {
      if (forward.error().is_cancelled()) co_return forward.error();
      unasked = forward.error();
      continue;
    }
    const bool leads_back =
        std::any_of(forward->records.begin(), forward->records.end(), [&](const Record& record) {
          const auto* found = record.as<IpAddress>();
          return found != nullptr && *found == address;
        });
    if (leads_back) {
      out.secure = out.secure && forward->secure;
      out.names.push_back(name);
    } else {
      out.unmatched.push_back(name);
    }
  }
  if (out.names.empty() && unasked) co_return *unasked;
  co_return Result<void>();
}

// The names that the DNS gives to the address.
Task<Result<std::vector<std::string>>> pointer_names(Resolver& resolver, IpAddress address,
                                                     QueryOptions options, CancelSource* cancel,
                                                     bool& secure) {
  const Result<Answer> answer =
      co_await resolver.query(reverse_name(address), RrType::PTR, options, cancel);
  if (!answer) co_return answer.error();
  secure = answer->secure;
  std::vector<std::string> names;
  for (const Record& record : answer->records) {
    const auto* host = record.as<HostName>();
    if (host == nullptr || names.size() >= kPtrNamesMax || host->name == ".") continue;
    if (!contains_name(names, host->name)) names.push_back(to_lower(host->name));
  }
  co_return names;
}

}  // namespace

Task<Result<HostAddresses>> host_addresses(Resolver& resolver, std::string name,
                                           AddressOptions options, CancelSource* cancel) {
  HostAddresses out;
  out.name = name;
  out.ttl_seconds = UINT32_MAX;
  std::array<RrType, 2> types{RrType::AAAA, RrType::A};
  if (options.v4_first) std::swap(types[0], types[1]);
  std::optional<Error> unasked;
  bool found_securely = true;
  bool denied_securely = true;
  if (options.family == Family::both) resolver.prefetch(name, types[1], options.query);
  for (const RrType type : types) {
    const bool is_wanted = options.family == Family::both ||
                           (options.family == Family::v4_only) == (type == RrType::A);
    if (!is_wanted) continue;
    const Result<Answer> answer = co_await resolver.query(name, type, options.query, cancel);
    if (!answer) {
      if (answer.error().is_cancelled()) co_return answer.error();
      unasked = answer.error();
      continue;
    }
    out.ttl_seconds = std::min(out.ttl_seconds, answer->ttl_seconds);
    if (answer->found()) {
      out.status = AnswerStatus::found;
      out.name = answer->name;
      found_securely = found_securely && answer->secure;
      add_addresses(out, *answer);
    } else {
      if (out.status != AnswerStatus::found) out.status = answer->status;
      denied_securely = denied_securely && answer->secure;
    }
  }
  if (out.status != AnswerStatus::found && unasked) co_return *unasked;
  out.secure = out.status == AnswerStatus::found ? found_securely : denied_securely;
  co_return out;
}

Task<Result<MxAnswer>> mail_exchangers(Resolver& resolver, std::string domain, QueryOptions options,
                                       CancelSource* cancel) {
  const Result<Answer> answer =
      co_await resolver.query(std::move(domain), RrType::MX, options, cancel);
  if (!answer) co_return answer.error();
  MxAnswer out;
  out.status = answer->status;
  out.secure = answer->secure;
  out.name = answer->name;
  for (const Record& record : answer->records) {
    const auto* mx = record.as<Mx>();
    if (mx != nullptr && out.hosts.size() < kExchangersMax) out.hosts.push_back(*mx);
  }
  std::stable_sort(out.hosts.begin(), out.hosts.end(),
                   [](const Mx& a, const Mx& b) { return a.preference < b.preference; });
  std::vector<Mx> once;
  for (Mx& mx : out.hosts) {
    const bool known = std::any_of(once.begin(), once.end(), [&](const Mx& other) {
      return equals_ignore_case(other.exchange, mx.exchange);
    });
    if (!known) once.push_back(std::move(mx));
  }
  out.hosts = std::move(once);
  // RFC 7505 3: a single record with the root as its host.
  if (out.hosts.size() == 1 && out.hosts[0].exchange == ".") {
    out.null_mx = true;
    out.hosts.clear();
  }
  co_return out;
}

Task<Result<TextAnswer>> texts(Resolver& resolver, std::string name, QueryOptions options,
                               CancelSource* cancel) {
  const Result<Answer> answer =
      co_await resolver.query(std::move(name), RrType::TXT, options, cancel);
  if (!answer) co_return answer.error();
  TextAnswer out;
  out.status = answer->status;
  out.secure = answer->secure;
  for (const Record& record : answer->records) {
    if (const auto* txt = record.as<Txt>()) out.texts.push_back(txt->joined());
  }
  co_return out;
}

std::string reversed_labels(const IpAddress& address) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  const std::string_view bytes = address.bytes();
  std::string out;
  for (size_t i = bytes.size(); i > 0; --i) {
    const auto octet = static_cast<uint8_t>(bytes[i - 1]);
    if (!out.empty()) out.push_back('.');
    if (address.is_v6()) {
      out.push_back(kHex[octet & 0xf]);
      out.push_back('.');
      out.push_back(kHex[octet >> 4]);
    } else {
      append_decimal(out, octet);
    }
  }
  return out;
}

std::string reverse_name(const IpAddress& address) {
  return reversed_labels(address) + (address.is_v6() ? ".ip6.arpa" : ".in-addr.arpa");
}

Task<Result<ReverseName>> reverse_lookup(Resolver& resolver, IpAddress address,
                                         ReverseOptions options, CancelSource* cancel) {
  const std::span<const ReverseMethod> order =
      options.order.empty() ? std::span<const ReverseMethod>(kReverseOrder) : options.order;
  ReverseName out;
  std::optional<Error> unasked;
  for (const ReverseMethod method : order) {
    // The machine's own table is its administrator's word and needs no confirming.
    const std::vector<std::string>* listed =
        method == ReverseMethod::byaddr && options.hosts_file != nullptr
            ? options.hosts_file->names(address)
            : nullptr;
    if (listed != nullptr) {
      out.status = ReverseStatus::confirmed;
      out.names = *listed;
      out.secure = false;
      co_return out;
    }
    bool secure = false;
    const Result<std::vector<std::string>> names =
        co_await pointer_names(resolver, address, options.query, cancel, secure);
    if (!names) {
      if (names.error().is_cancelled()) co_return names.error();
      unasked = names.error();
      continue;
    }
    if (names->empty()) continue;
    out = ReverseName();
    out.secure = secure;
    out.status = ReverseStatus::not_confirmed;
    const Result<void> confirmed =
        co_await confirm(resolver, *names, address, options, cancel, out);
    if (!confirmed) co_return confirmed.error();
    if (!out.names.empty()) {
      out.status = ReverseStatus::confirmed;
      co_return out;
    }
  }
  out.secure = out.secure && out.status == ReverseStatus::confirmed;
  if (out.status == ReverseStatus::no_name && unasked) co_return *unasked;
  co_return out;
}

Task<Result<ListEntry>> list_entry(Resolver& resolver, std::string key, std::string list,
                                   QueryOptions options, CancelSource* cancel) {
  const std::string name = key + "." + list;
  const Result<Answer> answer = co_await resolver.query(name, RrType::A, options, cancel);
  if (!answer) co_return answer.error();
  ListEntry out;
  out.ttl_seconds = answer->ttl_seconds;
  for (const Record& record : answer->records) {
    if (const auto* address = record.as<IpAddress>()) out.addresses.push_back(*address);
  }
  out.listed = !out.addresses.empty();
  co_return out;
}

Task<Result<std::string>> list_reason(Resolver& resolver, std::string key, std::string list,
                                      QueryOptions options, CancelSource* cancel) {
  const std::string name = key + "." + list;
  const Result<TextAnswer> answer = co_await texts(resolver, name, options, cancel);
  if (!answer) co_return answer.error();
  co_return answer->texts.empty() ? std::string() : answer->texts.front();
}

}  // namespace godwit::dns
