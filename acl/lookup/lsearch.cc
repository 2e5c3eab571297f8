// lsearch, wildlsearch, nwildlsearch, iplsearch: text files of keys and data.
#include "acl/lookup/lsearch.h"

#include "acl/lookup/finders.h"
#include "acl/lookup/parts.h"
#include "core/base/ascii.h"

namespace godwit::acl {
namespace {

LookupFound answer(const LineFile& lines, size_t entry, const LookupCall& call) {
  const bool full = call.options.is("ret", "full");
  return found(std::string(full ? lines.line(entry) : lines.data(entry)));
}

Result<bool> matches(LookupParts& parts, const LookupCall& call, const KeyPattern& pattern) {
  if (pattern.kind() != KeyPattern::Kind::lookup) return pattern.matches(call.key);
  const Result<LookupFound> nested = find_nested(parts, call, pattern);
  if (!nested) return nested.error();
  return nested->has_value();
}

std::optional<Cidr> parse_network(std::string_view text) {
  Result<Cidr> network = Cidr::parse(text);
  if (!network) return std::nullopt;
  return std::move(*network);
}

}  // namespace

Result<WildFile> WildFile::parse(std::string bytes, const std::string& path) {
  Result<LineFile> lines = LineFile::parse(std::move(bytes), path);
  if (!lines) return lines.error();
  WildFile file{std::move(*lines), {}};
  file.patterns.reserve(file.lines.size());
  for (size_t i = 0; i < file.lines.size(); ++i) file.patterns.emplace_back(file.lines.key(i));
  return file;
}

Result<AddressFile> AddressFile::parse(std::string bytes, const std::string& path) {
  Result<LineFile> lines = LineFile::parse(std::move(bytes), path);
  if (!lines) return lines.error();
  AddressFile file{std::move(*lines), {}};
  file.networks.reserve(file.lines.size());
  for (size_t i = 0; i < file.lines.size(); ++i) {
    file.networks.push_back(parse_network(file.lines.key(i)));
  }
  return file;
}

Result<LookupFound> find_lsearch(LookupParts& parts, const LookupCall& call) {
  const auto file = parts.line_files.get(call.file);
  if (!file) return file.error();
  const LineFile& lines = **file;
  const size_t entry = lines.find(call.key);
  if (entry == lines.size()) return LookupFound();
  return answer(lines, entry, call);
}

Result<LookupFound> find_nwildlsearch(LookupParts& parts, const LookupCall& call) {
  const auto file = parts.wild_files.get(call.file);
  if (!file) return file.error();
  const WildFile& wild = **file;
  for (size_t i = 0; i < wild.patterns.size(); ++i) {
    const Result<bool> matched = matches(parts, call, wild.patterns[i]);
    if (!matched) return matched.error();
    if (*matched) return answer(wild.lines, i, call);
  }
  return LookupFound();
}

Result<LookupFound> find_wildlsearch(LookupParts& parts, const LookupCall& call) {
  if (call.expander == nullptr)
    return deferred("keys of wildlsearch files cannot be expanded here; nwildlsearch needs it not");
  // Kept alive: expanding a key may wait, and the file may be read anew meanwhile.
  const auto file = parts.line_files.get(call.file);
  if (!file) return file.error();
  const std::shared_ptr<const LineFile> lines = *file;
  for (size_t i = 0; i < lines->size(); ++i) {
    const Result<std::string> key = call.expander->expand_key(lines->key(i));
    if (!key) return key.error();
    const Result<bool> matched = matches(parts, call, KeyPattern(*key));
    if (!matched) return matched.error();
    if (*matched) return answer(*lines, i, call);
  }
  return LookupFound();
}

Result<LookupFound> find_iplsearch(LookupParts& parts, const LookupCall& call) {
  const auto file = parts.address_files.get(call.file);
  if (!file) return file.error();
  const AddressFile& addresses = **file;
  const bool is_default = call.key == "*";
  const Result<IpAddress> address = IpAddress::parse(call.key.substr(0, call.key.find('/')));
  if (!address && !is_default) {
    return deferred('"' + std::string(call.key) +
                    "\" is not a valid iplsearch key (an IP address, with optional CIDR mask, is "
                    "wanted): in a host list, use net-iplsearch as the search type");
  }
  for (size_t i = 0; i < addresses.networks.size(); ++i) {
    const std::optional<Cidr>& network = addresses.networks[i];
    const bool matched =
        is_default ? addresses.lines.key(i) == "*" : network && network->contains(*address);
    if (matched) return answer(addresses.lines, i, call);
  }
  return LookupFound();
}

}  // namespace godwit::acl
