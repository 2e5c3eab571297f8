#include "dns/resolv_conf.h"

#include "core/base/ascii.h"
#include "dns/system_file.h"

namespace godwit::dns {
namespace {

constexpr uint16_t kDnsPort = 53;
constexpr uint64_t kTimeoutSecondsMax = 30;  // as in resolv.conf(5)
constexpr uint64_t kAttemptsMax = 5;

void read_option(ResolvConf& out, std::string_view option) {
  const size_t colon = option.find(':');
  const std::optional<uint64_t> value =
      colon == std::string_view::npos ? std::nullopt : parse_decimal(option.substr(colon + 1));
  const std::string_view name = option.substr(0, colon);
  if (name == "edns0") out.edns = true;
  if (name == "trust-ad") out.trust_ad = true;
  if (name == "timeout" && value && *value > 0)
    out.timeout = Seconds{static_cast<int64_t>(std::min(*value, kTimeoutSecondsMax))};
  if (name == "attempts" && value && *value > 0)
    out.attempts = static_cast<int>(std::min(*value, kAttemptsMax));
}

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf out;
  for_each_line(text, [&](const std::vector<std::string_view>& words) {
    if (words.front() == "nameserver" && words.size() > 1) {
      const Result<IpAddress> address = IpAddress::parse(words[1]);
      if (address) out.servers.push_back({*address, kDnsPort});
    } else if (words.front() == "search" || words.front() == "domain") {
      out.search.clear();
      for (size_t i = 1; i < words.size(); ++i) {
        std::string domain = to_lower(words[i]);
        if (domain.ends_with('.')) domain.pop_back();
        if (!domain.empty()) out.search.push_back(std::move(domain));
      }
    } else if (words.front() == "options") {
      for (size_t i = 1; i < words.size(); ++i) read_option(out, words[i]);
    }
  });
  if (out.servers.empty()) out.servers.push_back({IpAddress::v4(0x7f000001), kDnsPort});
  return out;
}

ResolvConf load_resolv_conf(const std::string& path) {
  return parse_resolv_conf(read_system_file(path));
}

}  // namespace godwit::dns
