#include "delivery/transport/dane_finder.h"

#include "core/base/ascii.h"

#include <utility>

namespace godwit::delivery {

// RFC 7672 2.2.2.
Task<DaneAnswer> ResolverDaneFinder::find(std::string host_name, std::string initial_name,
                                          uint16_t port) {
  DaneAnswer answer = co_await ask(host_name, port);
  if (answer.kind == DaneAnswer::Kind::none && !equals_ignore_case(host_name, initial_name))
    answer = co_await ask(std::move(initial_name), port);
  co_return answer;
}

Task<DaneAnswer> ResolverDaneFinder::ask(std::string host_name, uint16_t port) {
  DaneAnswer out;
  dns::QueryOptions options;
  options.lane = dns::Lane::delivery;
  std::string question = "_" + std::to_string(port) + "._tcp." + host_name;
  const Result<dns::Answer> answer =
      co_await resolver_.query(std::move(question), dns::RrType::TLSA, options);
  if (!answer) {
    out.kind =
        answer.error().is_temporary() ? DaneAnswer::Kind::temporary : DaneAnswer::Kind::failed;
    co_return out;
  }
  if (!answer->found()) {
    out.kind = DaneAnswer::Kind::none;
    co_return out;
  }
  out.kind = answer->secure ? DaneAnswer::Kind::found : DaneAnswer::Kind::not_secure;
  out.base_name = std::move(host_name);
  for (const dns::Record& record : answer->records) {
    const auto* tlsa = record.as<dns::Tlsa>();
    if (tlsa == nullptr) continue;
    out.records.push_back({tlsa->usage, tlsa->selector, tlsa->matching_type, tlsa->data});
  }
  co_return out;
}

}  // namespace godwit::delivery
