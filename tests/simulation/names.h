// Names: the DNS of a simulation. Answers take a while; for a time a name can be silent, failing or
// denied, and from some time on it can be another one.
#pragma once

#include "core/base/random.h"
#include "core/io/loop.h"
#include "tests/support/scripted_resolver.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace godwit::simulation {

enum class NameMood : uint8_t {
  silent,  // no answer at all
  fails,   // SERVFAIL
  denied,  // there is no such name
};
inline constexpr size_t kNameMoods = 3;

class Names final : public dns::Resolver {
 public:
  Names(Loop& loop, uint64_t seed) : loop_(loop), random_(seed), started_(loop.clock().wall()) {}

  test::ScriptedResolver& records() noexcept { return records_; }
  // What comes of questions for `domain` between these seconds since the start.
  void kill(const std::string& domain, int64_t from, int64_t to, NameMood mood = NameMood::silent) {
    moods_[domain].push_back({from, to, mood});
  }
  // From then on `domain` has the records of `other`.
  void move(const std::string& domain, int64_t from, const std::string& other) {
    moves_[domain] = {from, other};
  }

  Task<Result<dns::Answer>> query(std::string name, dns::RrType type, dns::QueryOptions options,
                                  CancelSource* cancel) override {
    ++questions;
    const std::optional<NameMood> mood = mood_of(name);
    const bool is_silent = mood == NameMood::silent;
    Sleep travelling(loop_.timers(), is_silent
                                         ? Millis{15'000}
                                         : Millis{static_cast<int64_t>(1 + random_.below(60))});
    co_await travelling;
    if (is_silent) co_return Error(Errc::dns_failed, "no answer for " + name);
    if (mood == NameMood::fails) co_return Error(Errc::dns_failed, "SERVFAIL for " + name);
    dns::Answer denial;
    denial.name = name;
    denial.status = dns::AnswerStatus::no_name;
    if (mood == NameMood::denied) co_return denial;
    const auto moved = moves_.find(name);
    if (moved != moves_.end() && seconds() >= moved->second.first) name = moved->second.second;
    Result<dns::Answer> answer = co_await records_.query(name, type, options, cancel);
    records_.asked.clear();
    co_return answer;
  }

  uint64_t questions = 0;

 private:
  struct Spell {
    int64_t from;
    int64_t to;
    NameMood mood;
  };
  int64_t seconds() const { return loop_.clock().wall().seconds() - started_.seconds(); }
  std::optional<NameMood> mood_of(const std::string& name) const {
    const auto found = moods_.find(name);
    if (found == moods_.end()) return std::nullopt;
    for (const Spell& spell : found->second) {
      if (seconds() >= spell.from && seconds() < spell.to) return spell.mood;
    }
    return std::nullopt;
  }

  Loop& loop_;
  Random random_;
  WallTime started_;
  test::ScriptedResolver records_;
  std::map<std::string, std::vector<Spell>> moods_;
  std::map<std::string, std::pair<int64_t, std::string>> moves_;
};

}  // namespace godwit::simulation
