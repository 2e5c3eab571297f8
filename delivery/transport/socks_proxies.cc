#include "delivery/transport/socks_proxies.h"

#include "core/base/ascii.h"
#include "core/config/values.h"

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::delivery {
namespace {

constexpr uint64_t kTextBytesMax = 255;  // RFC 1929
constexpr uint64_t kTimeoutMax = 3600;
constexpr uint64_t kRankMax = 1'000'000;

bool set_auth(SocksProxy& proxy, std::string_view value) {
  proxy.with_name = value == "name";
  return value == "name" || value == "none";
}
bool set_name(SocksProxy& proxy, std::string_view value) {
  proxy.name = value;
  return value.size() <= kTextBytesMax;
}
bool set_password(SocksProxy& proxy, std::string_view value) {
  proxy.password = value;
  return value.size() <= kTextBytesMax;
}
bool set_port(SocksProxy& proxy, std::string_view value) {
  const std::optional<uint64_t> port = parse_decimal(value);
  proxy.at.port = static_cast<uint16_t>(port.value_or(0));
  return port && *port > 0 && *port < 65536;
}
bool set_timeout(SocksProxy& proxy, std::string_view value) {
  const std::optional<uint64_t> seconds = parse_decimal(value);
  proxy.timeout.count = static_cast<int64_t>(seconds.value_or(0));
  return seconds && *seconds > 0 && *seconds <= kTimeoutMax;
}
template <uint32_t SocksProxy::*Member>
bool set_rank(SocksProxy& proxy, std::string_view value) {
  const std::optional<uint64_t> rank = parse_decimal(value);
  proxy.*Member = static_cast<uint32_t>(rank.value_or(0));
  return rank && *rank <= kRankMax;
}

struct OptionOfProxy {
  std::string_view name;
  bool (*set)(SocksProxy& proxy, std::string_view value);  // false: a bad value
};
constexpr std::array kOptions{
    OptionOfProxy{"auth", &set_auth},
    OptionOfProxy{"name", &set_name},
    OptionOfProxy{"pass", &set_password},
    OptionOfProxy{"port", &set_port},
    OptionOfProxy{"tmo", &set_timeout},
    OptionOfProxy{"pri", &set_rank<&SocksProxy::priority>},
    OptionOfProxy{"weight", &set_rank<&SocksProxy::weight>},
};

// A list of its own, whose usual separator is a space.
std::vector<std::string> words_of(std::string_view item) {
  if (item.starts_with('<')) return config::split_list(item);
  std::vector<std::string> out;
  while (!(item = trim_left(item)).empty()) {
    const size_t end = std::min(item.find(' '), item.size());
    out.emplace_back(item.substr(0, end));
    item.remove_prefix(end);
  }
  return out;
}

Result<SocksProxy> parse_proxy(std::string_view item) {
  SocksProxy out;
  const std::vector<std::string> words = words_of(item);
  const Result<IpAddress> address =
      IpAddress::parse(words.empty() ? std::string_view() : std::string_view(words.front()));
  if (!address) {
    return Error(Errc::invalid_argument,
                 "\"" + (words.empty() ? std::string() : words.front()) + "\" is no IP address");
  }
  out.at.address = *address;
  for (size_t n = 1; n < words.size(); ++n) {
    const std::string_view word = words[n];
    if (word.empty()) continue;
    const size_t equals = std::min(word.find('='), word.size());
    const std::string_view name = word.substr(0, equals);
    const auto row = std::ranges::find(kOptions, name, &OptionOfProxy::name);
    if (row == kOptions.end())
      return Error(Errc::invalid_argument, "unknown option \"" + std::string(name) + "\"");
    if (equals == word.size() || !row->set(out, word.substr(equals + 1)))
      return Error(Errc::invalid_argument, "bad value of option " + std::string(name));
  }
  return out;
}

}  // namespace

Result<std::vector<SocksProxy>> parse_socks_proxies(std::string_view list) {
  std::vector<SocksProxy> out;
  for (const std::string& item : config::split_list(list)) {
    if (trim(item).empty()) continue;
    Result<SocksProxy> proxy = parse_proxy(trim(item));
    if (!proxy) return proxy.error();
    out.push_back(std::move(*proxy));
  }
  return out;
}

void order_socks_proxies(std::vector<SocksProxy>& proxies, Random& random) {
  std::ranges::stable_sort(proxies, std::greater(), &SocksProxy::priority);
  for (size_t at = 0; at < proxies.size(); ++at) {
    // Of those that are left of the best priority, one by chance.
    size_t end = at;
    uint64_t total = 0;
    while (end < proxies.size() && proxies[end].priority == proxies[at].priority)
      total += proxies[end++].weight;
    uint64_t draw = total == 0 ? 0 : random.below(total);
    size_t chosen = at;
    while (chosen + 1 < end && draw >= proxies[chosen].weight) draw -= proxies[chosen++].weight;
    std::swap(proxies[at], proxies[chosen]);
  }
}

}  // namespace godwit::delivery
