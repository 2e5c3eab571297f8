#include "delivery/route/verify.h"

#include <deque>
#include <utility>

namespace godwit::delivery {
namespace {

// The walk through a tree of addresses. What an address becomes is looked at before what follows
// it.
class Walk {
 public:
  Walk(const RouterChain& chain, const std::string& address, const RouteQuery& query,
       HostFinder& hosts)
      : chain_(chain), query_(query), hosts_(hosts) {
    RoutedAddress& first = tree_.addresses.emplace_back();
    first.address = address;
    first.local_part = query.local_part;
    first.domain = query.domain;
    first.start_router = query.start_router;
    first.inherited = query.properties;
    pending_.push_back(0);
  }

  bool has_more() const noexcept {
    return !pending_.empty() && tree_.order.size() < kWalkAddressesMax;
  }
  // Routes the next address; its index.
  size_t step() {
    const size_t at = pending_.front();
    pending_.pop_front();
    tree_.order.push_back(at);
    if (tree_.addresses[at].generated.kind != GeneratedKind::address) return at;
    tree_.addresses[at].result = ask(at);
    add_children(at);
    return at;
  }
  const std::deque<size_t>& pending() const noexcept { return pending_; }
  RoutedTree& tree() noexcept { return tree_; }

 private:
  RouteResult ask(size_t at) {
    std::vector<RouteAncestor> ancestors;
    for (size_t up = tree_.addresses[at].parent; up != RoutedAddress::kNoParent;
         up = tree_.addresses[up].parent) {
      const RoutedAddress& above = tree_.addresses[up];
      ancestors.push_back({above.local_part, above.domain, above.result.router, nullptr});
    }
    for (size_t i = 0; i + 1 < ancestors.size(); ++i) ancestors[i].parent = &ancestors[i + 1];
    RouteQuery query = query_;
    const RoutedAddress& own = tree_.addresses[at];
    query.local_part = own.local_part;
    query.domain = own.domain;
    query.start_router = own.start_router;
    query.properties = own.inherited;
    query.parent = ancestors.empty() ? nullptr : &ancestors.front();
    if (ancestors.size() <= kRedirectionsDeepMax) return chain_.route(query, hosts_);
    RouteResult result;
    result.message = "too many redirections of one address";
    return result;
  }

  size_t add(size_t parent, std::string address) {
    RoutedAddress child;
    child.address = std::move(address);
    child.parent = parent;
    child.local_part = tree_.addresses[parent].local_part;
    child.domain = tree_.addresses[parent].domain;
    tree_.addresses.push_back(std::move(child));
    return tree_.addresses.size() - 1;
  }

  void add_children(size_t at) {
    if (tree_.addresses[at].result.copy_starts >= 0) {
      add_copy(at);
      return;
    }
    if (tree_.addresses[at].result.status != RouteStatus::redirected) return;
    const std::vector<GeneratedAddress> children = tree_.addresses[at].result.children;
    const int start = tree_.addresses[at].result.children_start;
    std::vector<size_t> added;
    for (const GeneratedAddress& generated : children) {
      const size_t index = add(at, generated.text);
      RoutedAddress& child = tree_.addresses[index];
      child.generated = generated;
      child.start_router = start;
      child.inherited = tree_.addresses[at].result.properties;
      if (generated.kind == GeneratedKind::address) {
        child.local_part = generated.local_part;
        child.domain = generated.domain;
      }
      added.push_back(index);
    }
    pending_.insert(pending_.begin(), added.begin(), added.end());
  }

  // unseen: one child stays with what the router said, another goes on.
  void add_copy(size_t at) {
    const size_t here = add(at, tree_.addresses[at].address);
    tree_.addresses[here].result =
        std::exchange(tree_.addresses[at].result, RouteResult{.status = RouteStatus::redirected});
    const int starts = std::exchange(tree_.addresses[here].result.copy_starts, -1);
    tree_.order.push_back(here);
    add_children(here);
    const size_t copy = add(at, tree_.addresses[at].address);
    tree_.addresses[copy].start_router = starts;
    tree_.addresses[copy].inherited = tree_.addresses[at].inherited;
    pending_.push_back(copy);
  }

  static constexpr size_t kRedirectionsDeepMax = 100;

  const RouterChain& chain_;
  const RouteQuery& query_;
  HostFinder& hosts_;
  RoutedTree tree_;
  std::deque<size_t> pending_;
};

}  // namespace

RoutedTree route_all_of(const RouterChain& chain, const std::string& address,
                        const RouteQuery& query, HostFinder& hosts) {
  Walk walk(chain, address, query, hosts);
  while (walk.has_more()) walk.step();
  return std::move(walk.tree());
}

VerifyAnswer verify_address(const RouterChain& chain, const std::string& address,
                            const RouteQuery& query, bool success_on_redirect, HostFinder& hosts) {
  Walk walk(chain, address, query, hosts);
  VerifyAnswer answer;
  for (bool goes_on = true; goes_on && walk.has_more();) {
    const size_t at = walk.step();
    RouteResult& result = walk.tree().addresses[at].result;
    const bool is_rerouted = result.is_rerouted;
    answer.properties = result.properties;
    answer.text = result.message;
    answer.text_is_for_client = result.message_is_for_user;
    switch (result.status) {
      case RouteStatus::failed:
        answer.verdict = VerifyVerdict::failed;
        answer.failure_kind = "route";
        return answer;
      case RouteStatus::deferred:
      case RouteStatus::frozen:
        answer.verdict = VerifyVerdict::deferred;
        return answer;
      case RouteStatus::routed:
      case RouteStatus::redirected:
      case RouteStatus::discarded:
        break;
    }
    answer.verdict = VerifyVerdict::ok;
    answer.text.clear();
    const RoutedAddress& decided = walk.tree().addresses[at];
    answer.address = decided.address;
    answer.local_part = result.local_part;
    answer.domain = result.domain;
    answer.prefix = result.prefix;
    answer.suffix = result.suffix;
    answer.parent = decided.parent == RoutedAddress::kNoParent
                        ? std::string()
                        : walk.tree().addresses[decided.parent].address;
    answer.transport = result.transport;
    answer.hosts = result.hosts;
    // One other address stands for this one; several are a list, and good enough.
    const std::deque<size_t>& next = walk.pending();
    goes_on = (!success_on_redirect || is_rerouted) && next.size() == 1 &&
              walk.tree().addresses[next.front()].generated.kind == GeneratedKind::address;
  }
  return answer;
}

}  // namespace godwit::delivery
