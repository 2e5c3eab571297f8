// The hosts file: names and addresses that the machine knows without asking. Read once; a reload of
// the configuration reads it anew. hosts(5).
#pragma once

#include "core/base/ip_address.h"
#include "core/base/result.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::dns {

class HostsFile {
 public:
  // Lines that are no entry are skipped, as every reader of this file does.
  static HostsFile parse(std::string_view text);
  // Empty where the file is not there.
  static HostsFile load(const std::string& path);

  // Null where the name is not in it.
  const std::vector<IpAddress>* addresses(std::string_view name) const;
  // The names of the first line of the address, the canonical one first; null where there is none.
  const std::vector<std::string>* names(const IpAddress& address) const;

 private:
  std::map<std::string, std::vector<IpAddress>, std::less<>> addresses_;
  std::map<IpAddress, std::vector<std::string>> names_;
};

}  // namespace godwit::dns
