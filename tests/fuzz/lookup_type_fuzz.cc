// Lookup types as configurations write them, and lists of servers.
#include "acl/lookup/catalogue.h"
#include "acl/lookup/servers.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit::acl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  LookupProblem problem;
  const std::optional<LookupSpec> spec = parse_lookup_type(text, problem);
  if (spec.has_value() != problem.message.empty()) __builtin_trap();
  if (spec) {
    std::string out;
    quote_for_lookup(*spec->type, text, out);
  }
  parse_net_prefix(text);
  constexpr ServerStyle kStyle{"Redis", "Redis", "redis_servers", 2, 6379};
  std::string_view query = text;
  const auto servers = choose_servers(kStyle, std::string(text), LookupOptions(text), query);
  if (servers) servers->front().address();
  return 0;
}
