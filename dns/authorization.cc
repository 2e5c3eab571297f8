#include "dns/authorization.h"

#include "core/base/ascii.h"
#include "dns/questions.h"

#include <algorithm>
#include <array>

namespace godwit::dns {
namespace {

// Where names of addresses are: of each address the three largest networks are asked, however long
// its name is.
struct ReverseZone {
  std::string_view suffix;
  size_t labels;  // of one step downwards
};
constexpr auto kReverseZones = std::to_array<ReverseZone>({
    {".in-addr.arpa", 1},
    {".ip6.arpa", 4},
});
constexpr size_t kReverseParents = 3;

std::string service_of(std::string_view domain) {
  return "_client._smtp." + std::string(domain);
}

bool wants_own_records(const Answer& answer) {
  return std::any_of(answer.records.begin(), answer.records.end(), [](const Record& record) {
    const auto* srv = record.as<Srv>();
    return srv != nullptr && srv->priority == kAuthorizationVersion &&
           (srv->port & kAuthorizationExplicit) != 0;
  });
}

// The dot that is `labels` labels before the one at `end`; npos where there are not so many.
size_t dot_before(std::string_view name, size_t end, size_t labels) {
  for (; labels > 0 && end != std::string_view::npos; --labels)
    end = end == 0 ? std::string_view::npos : name.rfind('.', end - 1);
  return end;
}

}  // namespace

std::vector<std::string_view> authorizing_parents(std::string_view name, size_t parents_max) {
  std::vector<std::string_view> out;
  size_t end = name.rfind('.');
  size_t labels = 1;
  for (const ReverseZone& zone : kReverseZones) {
    if (!ends_with_ignore_case(name, zone.suffix)) continue;
    end = name.size() - zone.suffix.size();
    labels = zone.labels;
    parents_max = kReverseParents;
  }
  if (end == std::string_view::npos) return out;
  while (out.size() < parents_max) {
    end = dot_before(name, end, labels);
    if (end == std::string_view::npos) break;
    out.push_back(name.substr(end + 1));
  }
  return out;
}

Task<Result<Authorization>> client_authorization(Resolver& resolver, std::string name,
                                                 size_t parents_max, QueryOptions options) {
  if (const Result<IpAddress> address = IpAddress::parse(name)) name = reverse_name(*address);
  Authorization out;
  Result<Answer> own = co_await resolver.query(service_of(name), RrType::SRV, options);
  if (!own) co_return own.error();
  out.answer = std::move(*own);
  if (out.answer.found()) co_return out;
  const std::vector<std::string_view> parents = authorizing_parents(name, parents_max);
  for (const std::string_view parent : parents) {
    Result<Answer> above = co_await resolver.query(service_of(parent), RrType::SRV, options);
    if (!above) co_return above.error();
    if (!above->found() || !wants_own_records(*above)) continue;
    out.is_parent = true;
    out.answer = std::move(*above);
    break;
  }
  co_return out;
}

}  // namespace godwit::dns
