#include "core/io/process.h"

#include "core/io/scope.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace godwit {
namespace {

Task<void> store(Loop& loop, ProcessOptions options, std::optional<Result<ProcessOutcome>>& out) {
  out.emplace(co_await run_process(loop, std::move(options)));
}

Result<ProcessOutcome> outcome_of(ProcessOptions options) {
  Loop loop;
  Scope scope;
  std::optional<Result<ProcessOutcome>> outcome;
  scope.spawn(store(loop, std::move(options), outcome));
  while (!outcome) loop.run_once();
  return std::move(*outcome);
}

ProcessOptions shell(std::string script) {
  ProcessOptions options;
  options.arguments = {"/bin/sh", "-c", std::move(script)};
  return options;
}

TEST(Process, GivesOutputErrorsAndStatus) {
  const auto outcome = outcome_of(shell("echo out; echo err >&2; exit 3"));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->output, "out\n");
  EXPECT_EQ(outcome->error_output, "err\n");
  EXPECT_EQ(outcome->exit_status, 3);
  EXPECT_EQ(outcome->signal, 0);
}

TEST(Process, MergesErrorsInOrderWhereAsked) {
  ProcessOptions options = shell("echo a; echo b >&2; echo c");
  options.merge_error = true;
  EXPECT_EQ(outcome_of(std::move(options)).value().output, "a\nb\nc\n");
}

TEST(Process, FeedsStandardInputLargerThanAPipe) {
  ProcessOptions options = shell("wc -c");
  options.input.assign(300'000, 'x');
  EXPECT_EQ(outcome_of(std::move(options)).value().output, "300000\n");
}

TEST(Process, ToleratesAChildThatDoesNotReadItsInput) {
  ProcessOptions options = shell("exit 0");
  options.input.assign(300'000, 'x');
  EXPECT_EQ(outcome_of(std::move(options)).value().exit_status, 0);
}

TEST(Process, SaysWhichSignalKilledIt) {
  EXPECT_EQ(outcome_of(shell("kill -9 $$")).value().signal, 9);
}

TEST(Process, RunsInTheGivenEnvironmentAndDirectory) {
  ProcessOptions options = shell("echo $NAME; pwd");
  options.environment = std::vector<std::string>{"NAME=value"};
  options.directory = "/";
  EXPECT_EQ(outcome_of(std::move(options)).value().output, "value\n/\n");
}

TEST(Process, SaysWhyAProgramCannotBeStarted) {
  ProcessOptions options;
  options.arguments = {"/does/not/exist"};
  const auto outcome = outcome_of(std::move(options));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), Errc::not_found);
}

TEST(Process, DoesNotSearchThePath) {
  ProcessOptions options;
  options.arguments = {"echo"};
  EXPECT_FALSE(outcome_of(std::move(options)));
}

TEST(Process, KillsTheGroupAtTheDeadline) {
  ProcessOptions options = shell("sleep 100 & sleep 100; echo never");
  options.timeout = Millis{20};
  const auto outcome = outcome_of(std::move(options));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), Errc::timed_out);
}

TEST(Process, BoundsItsOutput) {
  ProcessOptions options = shell("while :; do echo xxxxxxxxxxxxxxxx; done");
  options.output_bytes_max = 1000;
  const auto outcome = outcome_of(std::move(options));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), Errc::too_long);
}

TEST(Process, EndsWhenItIsCancelled) {
  Loop loop;
  Scope scope;
  CancelSource cancel;
  std::optional<Result<ProcessOutcome>> outcome;
  ProcessOptions options = shell("sleep 100");
  options.cancel = &cancel;
  scope.spawn(store(loop, std::move(options), outcome));
  EXPECT_FALSE(outcome);
  cancel.cancel();
  while (!outcome) loop.run_once();
  ASSERT_FALSE(*outcome);
  EXPECT_TRUE(outcome->error().is_cancelled());
}

TEST(Process, IsNotStartedWhereItWasCancelledBefore) {
  Loop loop;
  Scope scope;
  CancelSource cancel;
  cancel.cancel();
  std::optional<Result<ProcessOutcome>> outcome;
  ProcessOptions options = shell("exit 0");
  options.cancel = &cancel;
  scope.spawn(store(loop, std::move(options), outcome));
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(*outcome);
}

}  // namespace
}  // namespace godwit
