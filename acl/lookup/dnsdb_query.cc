#include "acl/lookup/dnsdb_query.h"

#include "acl/lookup/finders.h"
#include "acl/lookup/limits.h"
#include "core/base/ascii.h"
#include "core/base/ip_address.h"
#include "core/config/values.h"

#include <algorithm>
#include <array>

namespace godwit::acl {
namespace {

using dns::RrType;
using enum DnsdbForm;

// clang-format off
constexpr std::array kTypes{
    //        name    asks           form
    DnsdbType{"A",    RrType::A,     plain},
    DnsdbType{"A+",   RrType::A,     addresses},
    DnsdbType{"AAAA", RrType::AAAA,  plain},
    DnsdbType{"CNAME", RrType::CNAME, plain},
    DnsdbType{"CSA",  RrType::SRV,   authorization},
    DnsdbType{"MX",   RrType::MX,    plain},
    DnsdbType{"MXH",  RrType::MX,    exchangers},
    DnsdbType{"NS",   RrType::NS,    plain},
    DnsdbType{"PTR",  RrType::PTR,   plain},
    DnsdbType{"SOA",  RrType::SOA,   zone},
    DnsdbType{"SPF",  RrType::SPF,   plain},
    DnsdbType{"SRV",  RrType::SRV,   plain},
    DnsdbType{"TLSA", RrType::TLSA,  plain},
    DnsdbType{"TXT",  RrType::TXT,   plain},
    DnsdbType{"ZNS",  RrType::NS,    zone},
};
// clang-format on

const DnsdbType* find_type(std::string_view name) {
  const auto* row = std::ranges::find_if(
      kTypes, [&](const DnsdbType& type) { return equals_ignore_case(type.name, name); });
  return row == kTypes.end() ? nullptr : row;
}

void take_separators(std::string_view& text, DnsdbQuery& query) {
  if (text.size() < 2 || text.front() != '>') return;
  query.separator = text.substr(1, 1);
  text.remove_prefix(2);
  if (text.size() > 1 && text.front() == ',') {
    query.field_separator = std::string(text.substr(1, 1));
    text.remove_prefix(2);
  } else if (text.starts_with(';')) {
    query.field_separator = std::string();
    text.remove_prefix(1);
  }
  text = trim_left(text);
}

// "strict", "lax" or "never", as an enumerator of Defer or Dnssec.
template <class T>
bool set_policy(std::string_view word, T& policy) {
  if (word == "strict") policy = T::strict;
  if (word == "lax") policy = T::lax;
  if (word == "never") policy = T::never;
  return word == "strict" || word == "lax" || word == "never";
}

bool set_modifier(std::string_view modifier, DnsdbQuery& query) {
  const size_t bar = modifier.find('_');
  if (bar == std::string_view::npos) return false;
  const std::string_view name = modifier.substr(0, bar);
  const std::string_view value = modifier.substr(bar + 1);
  if (name == "defer") return set_policy(value, query.defer);
  if (name == "dnssec") return set_policy(value, query.dnssec);
  if (name == "retrans") {
    const Result<Seconds> time = config::parse_time(value);
    if (time) query.retrans = *time;
    return time.has_value();
  }
  const std::optional<uint64_t> count = parse_decimal(value);
  constexpr uint64_t kRetriesMax = 100;
  if (name != "retry" || !count || *count > kRetriesMax) return false;
  query.retry = static_cast<int>(*count);
  return true;
}

// Modifiers are words with a comma behind them, before the type and its equals sign.
Result<void> take_modifiers(std::string_view& text, DnsdbQuery& query) {
  constexpr std::array<std::string_view, 4> kWords{"defer_", "dnssec_", "retrans_", "retry_"};
  for (;;) {
    const bool is_modifier = std::ranges::any_of(
        kWords, [&](std::string_view word) { return starts_with_ignore_case(text, word); });
    if (!is_modifier) return {};
    const size_t comma = text.find(',');
    const std::string_view modifier = trim_right(text.substr(0, comma));
    if (comma == std::string_view::npos || !set_modifier(to_lower(modifier), query)) {
      return deferred("unsupported dnsdb modifier, or no comma behind it: " +
                      std::string(modifier));
    }
    text = trim_left(text.substr(comma + 1));
  }
}

void append_fields(std::string& out, const std::string& separator,
                   std::initializer_list<std::string> fields) {
  bool first = true;
  for (const std::string& field : fields) {
    if (!first) out += separator;
    first = false;
    out += field;
  }
}

std::string hex_of(std::string_view octets) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : octets) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return text;
}

void append_texts(std::string& out, const DnsdbQuery& query, const dns::Txt& txt) {
  const bool joins = query.field_separator || query.type->rr_type == RrType::SPF;
  const std::string separator = query.field_separator.value_or("");
  for (size_t i = 0; i < txt.strings.size() && (i == 0 || joins); ++i) {
    if (i > 0) out += separator;
    out += txt.strings[i];
  }
}

void append_record(std::string& out, const DnsdbQuery& query, const dns::Record& record) {
  const std::string separator = query.field_separator.value_or(" ");
  if (const auto* address = record.as<IpAddress>()) {
    out += address->to_string();
  } else if (const auto* host = record.as<dns::HostName>()) {
    out += host->name;
  } else if (const auto* mx = record.as<dns::Mx>()) {
    if (query.type->form == exchangers) {
      out += mx->exchange;
    } else {
      append_fields(out, separator, {std::to_string(mx->preference), mx->exchange});
    }
  } else if (const auto* txt = record.as<dns::Txt>()) {
    append_texts(out, query, *txt);
  } else if (const auto* srv = record.as<dns::Srv>()) {
    append_fields(out, separator,
                  {std::to_string(srv->priority), std::to_string(srv->weight),
                   std::to_string(srv->port), srv->target});
  } else if (const auto* tlsa = record.as<dns::Tlsa>()) {
    append_fields(out, separator,
                  {std::to_string(tlsa->usage), std::to_string(tlsa->selector),
                   std::to_string(tlsa->matching_type), hex_of(tlsa->data)});
  } else if (const auto* soa = record.as<dns::Soa>()) {
    out += soa->primary;
    if (!query.field_separator) return;
    out += separator;
    append_fields(
        out, separator,
        {soa->mailbox, std::to_string(soa->serial), std::to_string(soa->refresh),
         std::to_string(soa->retry), std::to_string(soa->expire), std::to_string(soa->minimum)});
  }
}

}  // namespace

Result<DnsdbQuery> parse_dnsdb_query(std::string_view text) {
  DnsdbQuery query;
  text = trim_left(text);
  take_separators(text, query);
  const Result<void> modifiers = take_modifiers(text, query);
  if (!modifiers) return modifiers.error();
  query.type = find_type("TXT");
  const size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    const std::string_view name = trim(text.substr(0, equals));
    query.type = find_type(name);
    if (query.type == nullptr) return deferred("unsupported DNS record type: " + std::string(name));
    text.remove_prefix(equals + 1);
  }
  text = trim(text);
  // An IPv6 address is full of the default separator.
  if (query.type->rr_type == RrType::PTR && IpAddress::parse(text)) {
    query.names.emplace_back(text);
  } else {
    query.names = config::split_list(text);
  }
  std::erase_if(query.names, [](const std::string& name) { return name.empty(); });
  if (query.names.size() > kDnsdbNamesMax) return deferred("too many names in a dnsdb query");
  return query;
}

void append_dnsdb_records(std::string& out, const DnsdbQuery& query,
                          const std::vector<dns::Record>& records) {
  for (const dns::Record& record : records) {
    if (!out.empty()) out += query.separator;
    append_record(out, query, record);
  }
}

}  // namespace godwit::acl
