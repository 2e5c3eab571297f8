// The same text as resolv.conf(5) and as hosts(5).
#include "dns/hosts_file.h"
#include "dns/resolv_conf.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const dns::ResolvConf conf = dns::parse_resolv_conf(input);
  const dns::HostsFile hosts = dns::HostsFile::parse(input);
  for (const Endpoint& server : conf.servers) {
    const std::vector<std::string>* names = hosts.names(server.address);
    // What leads from an address to a name leads back.
    if (names != nullptr && (names->empty() || hosts.addresses(names->front()) == nullptr))
      __builtin_trap();
  }
  return 0;
}
