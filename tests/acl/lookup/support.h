// Asks lookups from tests: on a fiber, with the loop turning until the answer is there.
#pragma once

#include "acl/lookup/lookup_set.h"
#include "core/io/fiber.h"
#include "core/io/loop.h"
#include "tests/support/lookup_server.h"
#include "tests/support/run_task.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

template <class F>
Task<std::invoke_result_t<F&>> run_on_fiber(F body) {
  co_return co_await on_fiber(std::move(body));
}

// "=value", "none", or "error: message".
inline std::string text_of(const Result<std::optional<LookupAnswer>>& answer) {
  if (!answer) {
    EXPECT_TRUE(answer.error().is_temporary());
    return "error: " + answer.error().detail();
  }
  return answer->has_value() ? "=" + (*answer)->value : "none";
}

class LookupTest : public testing::Test {
 protected:
  // As the daemon does: a server that died is an error of the write.
  LookupTest() { ::signal(SIGPIPE, SIG_IGN); }
  void start(LookupSetOptions options = {}) { set_.emplace(loop_, std::move(options)); }
  void TearDown() override {
    if (set_) test::run_task(loop_, closed(*set_));
  }

  Result<std::optional<LookupAnswer>> find(std::string_view type, std::string_view file,
                                           std::string_view key,
                                           const KeyExpander* expander = nullptr) {
    if (!set_) start();
    LookupProblem problem;
    const std::optional<LookupSpec> spec = parse_lookup_type(type, problem);
    if (!spec) return Error(Errc::lookup_deferred, "type: " + problem.message);
    LookupQuestion question{*spec, file, key};
    question.expander = expander;
    return test::run_task(loop_, run_on_fiber([&] { return set_->find(question); }));
  }
  std::string ask(std::string_view type, std::string_view file, std::string_view key) {
    return text_of(find(type, file, key));
  }
  std::string ask(std::string_view type, std::string_view query) { return ask(type, {}, query); }
  // "value [$1] [$2]".
  std::string ask_captures(std::string_view type, std::string_view file, std::string_view key) {
    const auto answer = find(type, file, key);
    std::string text = text_of(answer);
    if (!answer || !answer->has_value()) return text;
    for (const std::string& capture : (*answer)->captures) text += " [" + capture + "]";
    return text;
  }

  static Task<int> closed(LookupSet& set) {
    co_await set.close();
    co_return 0;
  }

  Loop loop_;
  test::TempDirectory directory_;
  std::optional<LookupSet> set_;
};

}  // namespace godwit::acl

// Starts a LookupServer; the test is skipped where it is not on this machine, and fails where it is
// and does not start.
#define GODWIT_START(server)                                                      \
  if (!(server).start()) {                                                        \
    if ((server).is_missing()) GTEST_SKIP() << "SKIPPED: " << (server).problem(); \
    FAIL() << (server).problem();                                                 \
  }
