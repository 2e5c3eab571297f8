#include "acl/lookup/catalogue.h"

#include "acl/lookup/finders.h"
#include "acl/lookup/limits.h"
#include "acl/lookup/quote.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"

#include <algorithm>
#include <array>
#include <vector>

namespace godwit::acl {
namespace {

using enum LookupClass;

constexpr std::string_view kSqlOptions = "servers";

// clang-format off
constexpr std::array kTypes{
    //         name            class       find               quote         options       shareable  documentation
    LookupType{"cdb",          abs_file,   find_cdb,          nullptr,      "",           true,  "a constant database"},
    LookupType{"dbm",          abs_file,   nullptr,           nullptr,      "",           true,  "a Berkeley DB file whose keys end with a zero"},
    LookupType{"dbmjz",        abs_file,   nullptr,           nullptr,      "",           true,  "dbm; the key is a list joined by zeros"},
    LookupType{"dbmnz",        abs_file,   nullptr,           nullptr,      "",           true,  "dbm without a zero at the end of keys"},
    LookupType{"dnsdb",        query,      find_dnsdb,        nullptr,      "",           true,  "records of the DNS"},
    LookupType{"dsearch",      abs_file,   find_dsearch,      nullptr,      "ret,filter", true,  "an entry of a directory"},
    LookupType{"ibase",        query,      nullptr,           nullptr,      kSqlOptions,  false, "an InterBase database"},
    LookupType{"iplsearch",    abs_file,   find_iplsearch,    nullptr,      "ret",        true,  "a text file whose keys are addresses and networks"},
    LookupType{"json",         abs_file,   find_json,         nullptr,      "",           true,  "an element of a JSON file, by its path"},
    LookupType{"ldap",         query,      nullptr,           nullptr,      kSqlOptions,  false, "attributes of one entry of LDAP"},
    LookupType{"ldapauth",     query,      nullptr,           nullptr,      kSqlOptions,  false, "whether LDAP lets a user in"},
    LookupType{"ldapdn",       query,      nullptr,           nullptr,      kSqlOptions,  false, "the name of one entry of LDAP"},
    LookupType{"ldapm",        query,      nullptr,           nullptr,      kSqlOptions,  false, "attributes of several entries of LDAP"},
    LookupType{"lmdb",         abs_file,   find_lmdb,         nullptr,      "",           true,  "an LMDB database file"},
    LookupType{"lsearch",      abs_file,   find_lsearch,      nullptr,      "ret",        true,  "a text file of keys and data"},
    LookupType{"mysql",        query,      find_mysql,        quote_mysql,  kSqlOptions,  false, "a query to MySQL or MariaDB"},
    LookupType{"nis",          single_key, nullptr,           nullptr,      "",           true,  "a NIS map"},
    LookupType{"nis0",         single_key, nullptr,           nullptr,      "",           true,  "a NIS map whose keys end with a zero"},
    LookupType{"nisplus",      query,      nullptr,           nullptr,      "",           true,  "a NIS+ table"},
    LookupType{"nmh",          query,      nullptr,           nullptr,      "",           true,  "an NMH server"},
    LookupType{"nwildlsearch", abs_file,   find_nwildlsearch, nullptr,      "ret",        true,  "a text file whose keys are patterns"},
    LookupType{"oracle",       query,      nullptr,           nullptr,      kSqlOptions,  false, "a query to Oracle"},
    LookupType{"passwd",       query,      find_passwd,       nullptr,      "",           true,  "a user of this system"},
    LookupType{"pgsql",        query,      find_pgsql,        quote_pgsql,  kSqlOptions,  false, "a query to PostgreSQL"},
    LookupType{"psl",          single_key, nullptr,           nullptr,      "",           true,  "the public suffix of a domain"},
    LookupType{"readsock",     query,      nullptr,           nullptr,      "",           false, "what a socket answers"},
    LookupType{"redis",        query,      find_redis,        quote_redis,  kSqlOptions,  false, "a command to Redis"},
    LookupType{"regdom",       single_key, nullptr,           nullptr,      "",           true,  "the registered domain of a domain"},
    LookupType{"spf",          single_key, nullptr,           nullptr,      "",           true,  "the SPF result of a sender at an address"},
    LookupType{"sqlite",       query,      find_sqlite,       quote_sqlite, "file",       false, "a query to an SQLite file"},
    LookupType{"testdb",       query,      find_testdb,       nullptr,      "",           false, "answers for tests: fail, defer, nocache, or the query"},
    LookupType{"whoson",       query,      nullptr,           nullptr,      "",           true,  "the user of a dynamic address"},
    LookupType{"wildlsearch",  abs_file,   find_wildlsearch,  nullptr,      "ret",        false, "nwildlsearch with keys that are expanded"},
};
// clang-format on
static_assert(std::ranges::is_sorted(kTypes, {}, &LookupType::name));

std::optional<LookupSpec> refuse(LookupProblem& problem, std::string message,
                                 std::string hint = {}) {
  problem.message = std::move(message);
  problem.hint = std::move(hint);
  return std::nullopt;
}

// Takes "partial2(.)" off `name`. False where it is malformed; `spec` stays as it is where there
// is no such prefix.
bool take_partial(std::string_view& name, LookupSpec& spec) {
  constexpr std::string_view kWord = "partial";
  constexpr int kDefaultLabels = 2;
  if (!name.starts_with(kWord)) return true;
  std::string_view rest = name.substr(kWord.size());
  size_t digits = 0;
  while (digits < rest.size() && is_digit(rest[digits])) ++digits;
  int labels = kDefaultLabels;
  if (digits > 0) {
    const std::optional<uint64_t> value = parse_decimal(rest.substr(0, digits));
    if (!value || *value > kKeyBytesMax) return false;
    labels = static_cast<int>(*value);
  }
  rest.remove_prefix(digits);
  if (rest.starts_with('-')) {
    rest.remove_prefix(1);
  } else if (rest.starts_with('(')) {
    const size_t end = rest.find(')');
    if (end == std::string_view::npos) return false;
    spec.partial_affix = rest.substr(1, end - 1);
    for (const char c : spec.partial_affix) {
      if (is_alnum(c) || is_space(c)) return false;
    }
    rest.remove_prefix(end + 1);
  } else {
    return false;
  }
  spec.partial_labels = labels;
  name = rest;
  return true;
}

LookupFallback take_fallback(std::string_view& name) {
  if (name.ends_with("*@")) {
    name.remove_suffix(2);
    return LookupFallback::star_at;
  }
  if (name.ends_with('*')) {
    name.remove_suffix(1);
    return LookupFallback::star;
  }
  return LookupFallback::none;
}

std::string hint_for(std::string_view name) {
  std::vector<std::string_view> names;
  for (const LookupType& type : kTypes) {
    if (type.find != nullptr) names.push_back(type.name);
  }
  const std::string_view near = nearest_name(name, names);
  return near.empty() ? std::string() : "did you mean " + quoted(near) + "?";
}

// IPv6 in full, "abcd.0000..." with `separator` between its groups; IPv4 as ever.
std::string full_address(std::string_view bytes, char separator) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    if (bytes.size() == 4) {
      if (i > 0) out += '.';
      append_decimal(out, byte);
      continue;
    }
    if (i > 0 && i % 2 == 0) out += separator;
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

}  // namespace

std::span<const LookupType> lookup_types() noexcept {
  return kTypes;
}

std::string lookup_types_line() {
  std::string line = "Lookups (built-in):";
  for (const LookupType& type : kTypes) {
    if (type.find == nullptr || type.name == "testdb") continue;
    line += ' ';
    line += type.name;
  }
  return line;
}

const LookupType* find_lookup_type(std::string_view name) noexcept {
  const auto* row = std::ranges::lower_bound(kTypes, name, {}, &LookupType::name);
  return row != kTypes.end() && row->name == name ? row : nullptr;
}

std::string_view lookup_type_name(const LookupType& type) noexcept {
  return type.name;
}

bool quote_for_lookup(const LookupType& type, std::string_view text, std::string& out) {
  if (type.find == nullptr) return false;
  if (type.quote != nullptr) {
    type.quote(text, out);
  } else {
    out += text;
  }
  return true;
}

std::optional<LookupSpec> parse_lookup_type(std::string_view text, LookupProblem& problem) {
  problem = {};
  LookupSpec spec;
  text = trim(text);
  const size_t comma = text.find(',');
  if (comma != std::string_view::npos) spec.options = text.substr(comma + 1);
  const std::string_view full = text.substr(0, comma);
  std::string_view name = full;
  if (!take_partial(name, spec))
    return refuse(problem, "format error in lookup type " + quoted(full));
  spec.fallback = take_fallback(name);
  spec.type = find_lookup_type(name);
  if (spec.type == nullptr)
    return refuse(problem, "unknown lookup type " + quoted(name), hint_for(name));
  if (spec.type->find == nullptr) {
    problem.unavailable = true;
    return refuse(problem, "the lookup type " + quoted(name) + " is not built in");
  }
  spec.query_style = spec.type->type_class == query;
  if (spec.query_style && spec.partial_labels >= 0)
    return refuse(problem, "\"partial\" is not permitted for lookup type " + quoted(name));
  if (spec.query_style && spec.fallback != LookupFallback::none) {
    return refuse(problem, "defaults using \"*\" or \"*@\" are not permitted for lookup type " +
                               quoted(full));
  }
  std::string_view unknown;
  if (!LookupOptions(spec.options).are_known(*spec.type, unknown)) {
    return refuse(problem, "unknown option " + quoted(unknown) + " of lookup type " + quoted(name));
  }
  return spec;
}

bool LookupOptions::next(std::string_view& rest, std::string_view& name,
                         std::string_view& value) noexcept {
  if (rest.empty()) return false;
  const size_t end = rest.find(',');
  const std::string_view item = trim(rest.substr(0, end));
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  const size_t equals = item.find('=');
  name = item.substr(0, equals);
  value = equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1);
  return true;
}

std::optional<std::string_view> LookupOptions::get(std::string_view name) const noexcept {
  std::string_view rest = text_;
  std::string_view option;
  std::string_view value;
  while (next(rest, option, value)) {
    if (option == name) return value;
  }
  return std::nullopt;
}

bool LookupOptions::is(std::string_view name, std::string_view value) const noexcept {
  return !text_.empty() && get(name) == value;
}

bool LookupOptions::are_known(const LookupType& type, std::string_view& unknown) const noexcept {
  std::string_view rest = text_;
  std::string_view value;
  while (next(rest, unknown, value)) {
    if (unknown == "cache" && (value == "no_rd" || value == "no_wr")) continue;
    if (unknown == "ret" && value == "key" && type.type_class != query) continue;
    const size_t at = type.options.find(unknown);
    const size_t end = at + unknown.size();
    const bool known = !unknown.empty() && at != std::string_view::npos &&
                       (at == 0 || type.options[at - 1] == ',') &&
                       (end == type.options.size() || type.options[end] == ',');
    if (!known || (unknown == "ret" && value != "full")) return false;
  }
  return true;
}

std::optional<NetPrefix> parse_net_prefix(std::string_view text) {
  constexpr std::string_view kWord = "net";
  constexpr int kBitsMax = 128;
  if (!text.starts_with(kWord)) return std::nullopt;
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  NetPrefix prefix;
  const std::string_view digits = text.substr(kWord.size(), dash - kWord.size());
  if (!digits.empty()) {
    const std::optional<uint64_t> bits = parse_decimal(digits);
    if (!bits || *bits > kBitsMax) return std::nullopt;
    prefix.mask_bits = static_cast<int>(*bits);
  }
  prefix.type = text.substr(dash + 1);
  return prefix;
}

std::string net_lookup_key(const IpAddress& address, const NetPrefix& prefix) {
  std::string bytes(address.bytes());
  const size_t bits_all = bytes.size() * 8;
  const size_t bits =
      prefix.mask_bits < 0 ? bits_all : std::min(static_cast<size_t>(prefix.mask_bits), bits_all);
  for (size_t i = bits; i < bits_all; ++i) {
    bytes[i / 8] = static_cast<char>(static_cast<uint8_t>(bytes[i / 8]) & ~(0x80u >> (i % 8)));
  }
  std::string_view name = prefix.type.substr(0, prefix.type.find_first_of(",*"));
  const bool with_colons = name.ends_with("iplsearch");
  std::string key = full_address(bytes, with_colons ? ':' : '.');
  if (prefix.mask_bits >= 0) {
    key += '/';
    append_decimal(key, bits);
  }
  return key;
}

}  // namespace godwit::acl
