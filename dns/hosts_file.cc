#include "dns/hosts_file.h"

#include "core/base/ascii.h"
#include "dns/system_file.h"

#include <algorithm>

namespace godwit::dns {
namespace {

// How a name is known: in lower case, without the dots of the root.
std::string key_of(std::string_view name) {
  while (name.size() > 1 && name.ends_with('.')) name.remove_suffix(1);
  return to_lower(name);
}

}  // namespace

HostsFile HostsFile::parse(std::string_view text) {
  HostsFile out;
  for_each_line(text, [&](const std::vector<std::string_view>& words) {
    const Result<IpAddress> address = IpAddress::parse(words.front());
    if (!address || words.size() < 2) return;
    std::vector<std::string> names;
    for (size_t i = 1; i < words.size(); ++i) {
      names.push_back(key_of(words[i]));
      std::vector<IpAddress>& known = out.addresses_[names.back()];
      if (std::find(known.begin(), known.end(), *address) == known.end()) known.push_back(*address);
    }
    out.names_.emplace(*address, std::move(names));
  });
  return out;
}

HostsFile HostsFile::load(const std::string& path) {
  return parse(read_system_file(path));
}

const std::vector<IpAddress>* HostsFile::addresses(std::string_view name) const {
  const auto found = addresses_.find(key_of(name));
  return found == addresses_.end() ? nullptr : &found->second;
}

const std::vector<std::string>* HostsFile::names(const IpAddress& address) const {
  const auto found = names_.find(address);
  return found == names_.end() ? nullptr : &found->second;
}

}  // namespace godwit::dns
