// Weeks in the life of a queue, from seeds: thousands of domains on hosts that slow down, defer,
// refuse, lie and come back. Whatever happens, every message ends, none is lost, and none is sent
// twice without a cause.
#include "tests/simulation/world.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace godwit::simulation {
namespace {

constexpr int64_t kHour = 3600;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kTrafficDays = 5;
constexpr int64_t kLastDay = 40;  // nothing waits longer
constexpr size_t kDomains = 5000;
constexpr size_t kHosts = 1500;
constexpr int64_t kFirstRetry = 15 * 60;
constexpr int64_t kCutoff = 4 * kDay;
constexpr size_t kRecipientsMax = 8;        // of a message
constexpr size_t kBytesPerMessage = 300;    // DESIGN.md 4.6
constexpr size_t kFixedBytes = 256 * 1024;  // the first block of the tables

constexpr const char* kConfig = R"(
delay_warning = 24h
ignore_bounce_errors_after = 2d
timeout_frozen_after = 3d
begin routers
out:
  driver = dnslookup
  transport = smtp
begin transports
smtp:
  driver = smtp
begin retry
* * F,2h,15m; G,16h,1h,1.5; F,4d,6h
)";

size_t number_from(const char* variable, size_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<size_t>(std::strtoull(text, nullptr, 10));
}

class QueueLife final : LogWatcher {
 public:
  QueueLife(uint64_t seed, size_t messages, bool power_cuts)
      : random_(seed), messages_(messages), cuts_(power_cuts), world_({kConfig, seed, Millis{2}}) {}

  void live() {
    make_hosts();
    make_domains();
    make_traffic();
    make_restarts();
    world_.log().watcher = this;
    for (int64_t hour = 1; hour <= kLastDay * 24; ++hour) {
      world_.run_until(hour * kHour);
      check_memory();
      const bool is_over = hour > kTrafficDays * 24 && world_.queue().stats().messages == 0;
      if (is_over) break;
    }
    check_end();
  }

 private:
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_.below(static_cast<uint64_t>(high - low)));
  }
  bool chance(unsigned percent) { return random_.below(100) < percent; }
  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[random_.below(all.size())];
  }

  void make_hosts() {
    for (size_t i = 0; i < kHosts; ++i) {
      const std::string number = std::to_string(i);
      Host& host =
          world_.add_host("mx" + number + ".hosts.test",
                          "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1));
      host.pipelining = !chance(20);
      host.chunking = chance(50);
      host.keeps_attempts = true;
      if (chance(40)) make_trouble(host);
      hosts_.push_back(host.name);
    }
    world_.add_host("mx.home.test", "10.9.9.9").chunking = true;
    world_.add_domain("home.test", {"mx.home.test"});
  }

  // Some hosts never come back.
  void make_trouble(Host& host) {
    const size_t phases = 1 + random_.below(4);
    for (size_t i = 0; i < phases; ++i) {
      const int64_t from = between(0, 6 * kDay);
      const auto mood = static_cast<Mood>(1 + random_.below(17));
      host.plan[from] = mood;
      if (!chance(15))
        host.plan[from + between(60, chance(20) ? 3 * kDay : 6 * kHour)] = Mood::well;
    }
  }

  void make_domains() {
    for (size_t i = 0; i < kDomains; ++i) {
      const std::string domain = "d" + std::to_string(i) + ".test";
      domains_.push_back(domain);
      const uint64_t kind = random_.below(100);
      if (kind < 2) continue;  // does not exist
      if (kind < 3) {
        world_.names().records().add_mx(domain, 0, ".");
        continue;
      }
      std::vector<std::string> exchangers;
      for (size_t n = 1 + random_.below(3); n > 0; --n) exchangers.push_back(one_of(hosts_));
      world_.add_domain(domain, exchangers);
      if (chance(6)) {
        const int64_t from = between(0, 5 * kDay);
        world_.names().kill(domain, from, from + between(kHour, 6 * kDay),
                            static_cast<NameMood>(random_.below(kNameMoods)));
      }
      if (chance(3)) {
        world_.add_domain("new." + domain, {one_of(hosts_)});
        world_.names().move(domain, between(0, 5 * kDay), "new." + domain);
      }
    }
  }

  void make_traffic() {
    for (size_t i = 0; i < messages_; ++i) {
      std::string sender = "s" + std::to_string(i % 100) + "@home.test";
      if (chance(2)) sender = "gone@nowhere.test";
      if (chance(2)) sender.clear();
      std::set<std::string> recipients;
      const size_t count = chance(80) ? 1 : 1 + random_.below(kRecipientsMax);
      while (recipients.size() < count) {
        const std::string user = "u" + std::to_string(random_.below(50));
        recipients.insert(user + "@" + one_of(domains_));
      }
      const std::vector<std::string> list(recipients.begin(), recipients.end());
      world_.at(between(1, kTrafficDays * kDay), [this, sender, list] {
        senders_.push_back(sender);
        EXPECT_EQ(world_.submit(sender, list) + 1, senders_.size());
      });
    }
  }

  void make_restarts() {
    for (int64_t day = 1; day < 8; ++day) {
      restarts_.push_back(day * kDay + between(0, kDay));
    }
  }

  void on_line(const LogRecord& record) override {
    if (traced_ != nullptr && record.message_id == traced_) {
      std::printf("%8lld %.*s\n", static_cast<long long>(world_.now()),
                  static_cast<int>(record.text.size()), record.text.data());
    }
    if (record.event == LogEvent::failure && record.text.starts_with("** ")) {
      const std::string_view rest = record.text.substr(3);
      failed_.insert(std::string(record.message_id) + " " +
                     std::string(rest.substr(0, rest.find_first_of(" :"))));
    }
  }

  void check_memory() {
    // Restarts happen between turns of the loop, not inside one.
    while (!restarts_.empty() && restarts_.front() <= world_.now()) {
      restarts_.erase(restarts_.begin());
      world_.restart(cuts_);
    }
    const size_t messages = world_.queue().stats().messages;
    longest_queue_ = std::max(longest_queue_, messages);
    const size_t bytes = world_.queue().memory_bytes() + world_.store().stats().memory_bytes;
    EXPECT_LE(bytes, messages * kBytesPerMessage + kFixedBytes);
    // Each is there for connections, if only idle ones, or for messages.
    const delivery::QueueStats stats = world_.queue().stats();
    EXPECT_LE(stats.destinations, stats.messages * kRecipientsMax + stats.connections);
  }

  void check_end() {
    EXPECT_EQ(world_.queue().stats().messages, 0U);
    EXPECT_EQ(world_.store().stats().live_messages, 0U);
    EXPECT_EQ(world_.queue().stats().connections, 0U);
    EXPECT_EQ(world_.queue().stats().destinations, 0U);
    if (!cuts_) EXPECT_TRUE(world_.log().problems.empty()) << world_.log().problems.front();
    const auto& messages = world_.ledger().messages();
    ASSERT_EQ(messages.size(), messages_);
    for (size_t i = 0; i < messages.size(); ++i) {
      for (const Fate& fate : messages[i]) check_fate(i, fate);
    }
    for (const auto& [id, life] : world_.log().lives) {
      if (cuts_) {
        EXPECT_TRUE(life.arrived == 0 || life.completed >= 1) << id;
      } else {
        EXPECT_TRUE(life.arrived == 1 && life.completed == 1) << id;
      }
    }
    for (const auto& [address, host] : world_.network().hosts()) check_attempts(*host);
    std::printf("%zu messages, %llu recipients taken, longest queue %zu, %lld days\n", messages_,
                static_cast<unsigned long long>(world_.network().accepted), longest_queue_,
                static_cast<long long>(world_.now() / kDay));
  }

  void check_fate(size_t number, const Fate& fate) {
    SCOPED_TRACE(world_.id_of(number) + " to " + fate.address + " from " + senders_[number]);
    const bool logged = failed_.contains(world_.id_of(number) + " " + fate.address);
    const bool has_mailbox = senders_[number].ends_with("@home.test");
    EXPECT_TRUE(fate.copies > 0 || logged) << "lost";
    EXPECT_LE(fate.copies, 1 + fate.untold + fate.excused) << "sent twice without a cause";
    if (has_mailbox && logged) EXPECT_GE(fate.failures, 1U) << "the sender was not told";
    if (!cuts_) EXPECT_LE(fate.failures, 1U) << "the sender was told twice";
    if (!logged) EXPECT_EQ(fate.failures, 0U);
    // A report that cannot be delivered is frozen, and tried once more when it is thawed.
    const bool known_to_be_taken = fate.copies > fate.untold + fate.excused;
    EXPECT_FALSE(logged && known_to_be_taken && !senders_[number].empty())
        << "delivered and failed";
  }

  // While no message can be older than the last cutoff, a host that could not be reached is left
  // alone for the first interval of the rule.
  void check_attempts(const Host& host) {
    int64_t free_from = 0;
    int64_t failed_at = 0;
    for (const Attempt& attempt : host.attempts) {
      const int64_t began = attempt.began.micros - world_.network().started().micros;
      if (attempt.ended.micros == 0) continue;
      if (began / 1'000'000 < kCutoff && began > failed_at)
        EXPECT_GE(began, free_from) << host.name << " was tried too early";
      if (attempt.reached) {
        free_from = failed_at = 0;
        continue;
      }
      failed_at = attempt.ended.micros - world_.network().started().micros;
      free_from = failed_at + kFirstRetry * 1'000'000 - 1'000'000;
    }
  }

  const char* traced_ = std::getenv("GODWIT_SIMULATION_TRACE");
  Random random_;
  size_t messages_;
  bool cuts_;
  World world_;
  std::vector<std::string> hosts_;
  std::vector<std::string> domains_;
  std::vector<std::string> senders_;
  std::set<std::string> failed_;  // "id address"
  std::vector<int64_t> restarts_;
  size_t longest_queue_ = 0;
};

TEST(QueueLife, EveryMessageEndsAndNoneIsLostOrDoubled) {
  const size_t first = number_from("GODWIT_SIMULATION_SEED", 1);
  const size_t seeds = number_from("GODWIT_SIMULATION_SEEDS", 1);
  const size_t messages = number_from("GODWIT_SIMULATION_MESSAGES", 3000);
  for (size_t seed = first; seed < first + seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    QueueLife(seed, messages, false).live();
  }
}

TEST(QueueLife, PowerCutsLoseNothing) {
  const size_t first = number_from("GODWIT_SIMULATION_SEED", 1);
  const size_t seeds = number_from("GODWIT_SIMULATION_SEEDS", 1);
  const size_t messages = number_from("GODWIT_SIMULATION_MESSAGES", 3000);
  for (size_t seed = first; seed < first + seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    QueueLife(seed, messages / 2, true).live();
  }
}

}  // namespace
}  // namespace godwit::simulation
