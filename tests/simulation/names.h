// Names: the DNS of a simulation. Answers take a while; a name can be dead for a time.
#pragma once

#include "core/base/random.h"
#include "core/io/loop.h"
#include "tests/support/scripted_resolver.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace godwit::simulation {

class Names final : public dns::Resolver {
 public:
  Names(Loop& loop, uint64_t seed) : loop_(loop), random_(seed), started_(loop.clock().wall()) {}

  test::ScriptedResolver& records() noexcept { return records_; }
  // No answer for `domain` between these seconds since the start.
  void kill(const std::string& domain, int64_t from, int64_t to) {
    dead_[domain].emplace_back(from, to);
  }

  Task<Result<dns::Answer>> query(std::string name, dns::RrType type, dns::QueryOptions options,
                                  CancelSource* cancel) override {
    ++questions;
    const bool is_dead = dies(name);
    Sleep travelling(loop_.timers(), is_dead ? Millis{15'000}
                                             : Millis{static_cast<int64_t>(1 + random_.below(60))});
    co_await travelling;
    if (is_dead) co_return Error(Errc::dns_failed, "no answer for " + name);
    Result<dns::Answer> answer = co_await records_.query(name, type, options, cancel);
    records_.asked.clear();
    co_return answer;
  }

  uint64_t questions = 0;

 private:
  bool dies(const std::string& name) const {
    const auto found = dead_.find(name);
    if (found == dead_.end()) return false;
    const int64_t now = loop_.clock().wall().seconds() - started_.seconds();
    for (const auto& [from, to] : found->second) {
      if (now >= from && now < to) return true;
    }
    return false;
  }

  Loop& loop_;
  Random random_;
  WallTime started_;
  test::ScriptedResolver records_;
  std::map<std::string, std::vector<std::pair<int64_t, int64_t>>> dead_;
};

}  // namespace godwit::simulation
