// A real process on a real disk, killed in the middle of its work.
#include "tests/core/spool/spool_support.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>

namespace godwit::spool::test {
namespace {

StoreOptions quick_options() {
  StoreOptions options;
  options.segment_bytes = 256 * 1024;
  options.first_segment_bytes = 64 * 1024;
  options.large_body_bytes = 32 * 1024;
  return options;
}

size_t body_bytes_of(uint64_t id) {
  return id % 50 == 0 ? 100'000 : 200 + id * 37 % 4000;
}

void report(int pipe, uint64_t id) {
  if (::write(pipe, &id, sizeof id) != sizeof id) _exit(2);
}

// Commits for ever; each id goes to the pipe only after its commit returned. One in four stays.
Task<void> commit_forever(Store& store, uint64_t first, int pipe) {
  for (uint64_t id = first;; id += 8) {
    const auto stored = co_await store_message(
        store, {id, id}, text_of(id, 40), text_of(id + 1, 100), text_of(id + 2, body_bytes_of(id)));
    if (!stored) _exit(3);
    if (id % 4 == 0) {
      report(pipe, id);
    } else {
      store.end(stored->ref);
    }
  }
}

[[noreturn]] void run_child(const std::string& dir, uint64_t first, int pipe) {
  SystemFiles files;
  Loop loop;
  KeepingSink sink;
  auto opened = run_task(loop, Store::open(loop, files, dir, quick_options(), sink));
  if (!opened) _exit(4);
  Scope scope;
  for (uint64_t i = 0; i < 8; ++i) scope.spawn(commit_forever(**opened, first + i, pipe));
  for (;;) loop.run_once();
}

Task<Result<void>> check_all(Store& store, const std::vector<uint64_t>& ids, KeepingSink& sink) {
  for (const uint64_t id : ids) {
    const auto found = sink.messages.find({id, id});
    if (found == sink.messages.end()) {
      ADD_FAILURE() << "message " << id << " is lost";
      continue;
    }
    const auto body = co_await read_whole_body(store, found->second.ref);
    EXPECT_EQ(body.value_or("?"), text_of(id + 2, body_bytes_of(id))) << id;
  }
  EXPECT_TRUE(sink.damage.empty());
  co_await store.close();
  co_return Result<void>();
}

TEST(Kill, NoReportedMessageIsLostHoweverOftenTheProcessDies) {
  std::string folder = (std::filesystem::temp_directory_path() / "godwit-kill-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string dir = folder + "/shard";
  std::vector<uint64_t> ids;
  for (uint64_t life = 0; life < 4; ++life) {
    std::array<int, 2> pipe_ends{};
    ASSERT_EQ(::pipe(pipe_ends.data()), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) run_child(dir, 1'000'000 * (life + 1), pipe_ends[1]);
    ::close(pipe_ends[1]);
    // Killed after a number of reports, wherever it is by then.
    const size_t wanted = ids.size() + 60 + 35 * life;
    uint64_t id = 0;
    while (ids.size() < wanted && ::read(pipe_ends[0], &id, sizeof id) == sizeof id) {
      ids.push_back(id);
    }
    ::kill(child, SIGKILL);
    while (::read(pipe_ends[0], &id, sizeof id) == sizeof id) ids.push_back(id);
    ::close(pipe_ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended with " << status;
  }
  SystemFiles files;
  Loop loop;
  KeepingSink sink;
  auto opened = run_task(loop, Store::open(loop, files, dir, quick_options(), sink));
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_TRUE(run_task(loop, check_all(**opened, ids, sink)));
  EXPECT_GE(ids.size(), 4u * 60);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace godwit::spool::test
