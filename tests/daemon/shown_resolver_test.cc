#include "daemon/shown_resolver.h"

#include "core/base/ascii.h"
#include "core/io/scope.h"
#include "tests/support/lines_log.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace godwit::daemon {
namespace {

// Answers a name after as many milliseconds as its first label says.
class SlowResolver final : public dns::Resolver {
 public:
  explicit SlowResolver(Loop& loop) : loop_(loop) {}
  Task<Result<dns::Answer>> query(std::string name, dns::RrType, dns::QueryOptions,
                                  CancelSource*) override {
    const Millis delay{static_cast<int64_t>(*parse_decimal(name.substr(0, name.find('.'))))};
    if (delay.count > 0) co_await Sleep(loop_.timers(), delay);
    co_return Error(Errc::dns_failed, "nobody knows");
  }

 private:
  Loop& loop_;
};

constexpr std::array kNames{"0.test", "200.test", "201.test", "5000.a\nb.test"};

Task<void> ask_all(dns::Resolver& resolver) {
  const dns::QueryOptions options;
  for (const char* name : kNames) {
    const Result<dns::Answer> answer = co_await resolver.query(name, dns::RrType::MX, options);
    EXPECT_FALSE(answer);
  }
}

std::vector<std::string> lines_with_limit(Millis limit) {
  ManualClock clock{WallTime{}};
  Loop loop{VirtualTime{clock}};
  test::LinesLog log;
  SlowResolver slow(loop);
  ShownResolver shown(slow);
  shown.log_slow(limit, loop, log);
  Scope scope;
  scope.spawn(ask_all(shown));
  while (scope.running() > 0) loop.run_once();
  return log.lines;
}

TEST(ShownResolver, LogsWhatTookLongerThanSlowLookupLogSays) {
  EXPECT_EQ(lines_with_limit(Millis{200}),
            (std::vector<std::string>{"Long MX lookup for '201.test': 201 msec",
                                      "Long MX lookup for '5000.a\\nb.test': 5000 msec"}));
  EXPECT_EQ(lines_with_limit(Millis{0}), std::vector<std::string>());
}

}  // namespace
}  // namespace godwit::daemon
