#include "delivery/transport/appendfile.h"

#include "core/config/document.h"
#include "core/spool/store.h"
#include "tests/support/power_cut_files.h"
#include "tests/support/run_task.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace godwit::delivery {
namespace {

namespace fs = std::filesystem;
using test::PowerCutFiles;
using test::run_task;

class EmptySink final : public spool::RecoverySink {
 public:
  void on_message(spool::MessageRef, spool::MessageKey, uint64_t, uint64_t, uint64_t,
                  WallTime) override {}
  void on_update(spool::MessageRef, spool::MessageKey, std::string_view) override {}
  void on_damage(std::string_view) override {}
};

Task<Result<spool::StoredMessage>> store_message(spool::Store& store, std::string_view body) {
  const std::unique_ptr<spool::MessageWriter> writer = store.begin({1, 1});
  co_await ok(writer->append(body));
  co_return co_await writer->commit("e", "From: ann@example.org\r\nSubject: hello\r\n");
}
Task<Result<void>> load(MessageContent& content) {
  co_return co_await content.load_headers();
}
Task<Result<void>> close(spool::Store& store) {
  co_await store.close();
  co_return Result<void>();
}

class AppendfileTest : public testing::Test {
 protected:
  AppendfileTest() {
    std::string pattern = (fs::temp_directory_path() / "godwit-appendfile-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    server_.primary_hostname = "mx.test";
    facts_.sender_address = "ann@example.org";
  }
  ~AppendfileTest() override { fs::remove_all(root_); }

  // What a delivery to a local part of example.com knows.
  struct Scene {
    Scene(const AppendfileTest& test, std::string_view local_part)
        : address(std::string(local_part) + "@example.com"),
          recipient{local_part, "example.com", address, evaluation,
                    WallTime::from_seconds(1795235400)} {
      facts.local_part = local_part;
      facts.domain = "example.com";
      evaluation.server = &test.server_;
      evaluation.message = &test.facts_;
      evaluation.address = &facts;
      evaluation.now = recipient.now;
      evaluation.utc = true;
    }

    std::string address;
    acl::AddressFacts facts;
    acl::EvalContext evaluation;
    LocalRecipient recipient;
  };

  // The problems of a transport with these options; ROOT stands for a fresh directory.
  std::string compile(std::string options) {
    for (size_t at = 0; (at = options.find("ROOT", at)) != std::string::npos;) {
      options.replace(at, 4, root_.string());
    }
    config::MemoryFiles files;
    files.put("/c", "begin transports\nlocal:\n driver = appendfile\n" + options);
    config::Diagnostics diagnostics;
    const config::ConfigDocument document = config::read_document("/c", files, {}, diagnostics);
    lists_ = acl::NamedLists::compile_all(document, diagnostics);
    transports_ = TransportSet::compile(document, *lists_, diagnostics);
    return diagnostics.render_all();
  }

  DeliveryOutcome deliver(std::string_view local_part, std::string_view body,
                          bool from_disk = false, std::string_view sender = "ann@example.org") {
    PowerCutFiles files(1);
    EXPECT_TRUE(files.make_directory("/s"));
    EmptySink sink;
    auto opened =
        run_task(loop_, spool::Store::open(loop_, files, "/s/0", spool::StoreOptions(), sink));
    EXPECT_TRUE(opened);
    spool::Store& store = **opened;
    const Result<spool::StoredMessage> stored = run_task(loop_, store_message(store, body));
    EXPECT_TRUE(stored);
    MessageContent content(store, stored->ref, body.size());
    if (!from_disk) content.set_bytes(stored->bytes);
    EXPECT_TRUE(run_task(loop_, load(content)));

    const Envelope envelope;
    const Scene scene(*this, local_part);
    const LocalDelivery delivery{scene.recipient, envelope, content, sender};
    DeliveryOutcome outcome = run_task(loop_, transports_->at(0)->deliver(loop_, delivery));
    EXPECT_TRUE(run_task(loop_, close(store)));
    return outcome;
  }
  bool is_over_quota(std::string_view local_part, uint64_t bytes) {
    const Scene scene(*this, local_part);
    return run_task(loop_, transports_->at(0)->is_over_quota(loop_, scene.recipient, bytes));
  }
  std::string content_of(const fs::path& path) const {
    std::ifstream in(root_ / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  Loop loop_;
  fs::path root_;
  acl::ServerFacts server_;
  acl::MessageFacts facts_;
  std::shared_ptr<const acl::NamedLists> lists_;
  std::shared_ptr<const TransportSet> transports_;
};

constexpr std::string_view kMboxMessage =
    "From ann@example.org Sat Nov 21 04:30:00 2026\n"
    "From: ann@example.org\nSubject: hello\n\n>From here\nbye\n\n";

TEST_F(AppendfileTest, WritesAnMboxFile) {
  ASSERT_EQ(compile(" file = ROOT/$local_part\n"), "");
  const DeliveryOutcome outcome = deliver("bob", "From here\r\nbye\r\n");
  EXPECT_EQ(outcome.text, "");
  EXPECT_EQ(outcome.kind, OutcomeKind::delivered);
  EXPECT_EQ(outcome.file, (root_ / "bob").string());
  EXPECT_EQ(content_of("bob"), kMboxMessage);
}

TEST_F(AppendfileTest, WritesTheSameFromTheSpool) {
  ASSERT_EQ(compile(" file = ROOT/$local_part\n"), "");
  EXPECT_EQ(deliver("bob", "From here\r\nbye\r\n", true).kind, OutcomeKind::delivered);
  EXPECT_EQ(content_of("bob"), kMboxMessage);
  std::string body;
  for (int n = 0; n < 40'000; ++n) body += "line " + std::to_string(n) + "\r\n";
  EXPECT_EQ(deliver("carol", body).kind, OutcomeKind::delivered);
  EXPECT_EQ(deliver("dave", body, true).kind, OutcomeKind::delivered);
  EXPECT_EQ(content_of("carol"), content_of("dave"));
  EXPECT_NE(content_of("carol").find("line 39999\n\n"), std::string::npos);
}

TEST_F(AppendfileTest, NamesTheDaemonForABounce) {
  ASSERT_EQ(compile(" file = ROOT/box\n"), "");
  EXPECT_EQ(deliver("bob", "x\r\n", false, "").kind, OutcomeKind::delivered);
  EXPECT_TRUE(content_of("box").starts_with("From MAILER-DAEMON Sat Nov 21 04:30:00 2026\nFrom: "))
      << content_of("box");
}

TEST_F(AppendfileTest, TakesItsOwnPrefixAndSuffix) {
  ASSERT_EQ(compile(" file = ROOT/box\n message_prefix = \"<<$domain\\n\"\n message_suffix =\n"
                    " check_string = b\n escape_string = /b\n use_crlf\n"),
            "");
  EXPECT_EQ(deliver("bob", "b\r\nFrom \r\n").kind, OutcomeKind::delivered);
  EXPECT_EQ(content_of("box"),
            "<<example.com\nFrom: ann@example.org\r\nSubject: hello\r\n\r\n/b\r\nFrom \r\n");
}

TEST_F(AppendfileTest, WritesAMaildirWithASizeTag) {
  ASSERT_EQ(compile(" directory = ROOT/$domain/$local_part/Maildir/\n maildir_format\n"
                    " maildir_tag = ,S=$message_size\n"),
            "");
  const DeliveryOutcome outcome = deliver("bob", "From here\r\n");
  EXPECT_EQ(outcome.text, "");
  EXPECT_EQ(outcome.file, (root_ / "example.com/bob/Maildir").string());
  const fs::path file = fs::directory_iterator(root_ / "example.com/bob/Maildir/new")->path();
  const std::string want = "From: ann@example.org\nSubject: hello\n\nFrom here\n";
  EXPECT_EQ(content_of(file), want);
  EXPECT_TRUE(file.string().ends_with(",S=" + std::to_string(want.size()))) << file;
}

TEST_F(AppendfileTest, RefusesAddressesThatWouldLeaveTheirPlace) {
  ASSERT_EQ(compile(" file = ROOT/$local_part\n"), "");
  constexpr std::array<std::string_view, 7> kBad{
      "..", ".", ".hidden", "a/b", "../../etc/passwd", "", std::string_view("a\0b", 3)};
  for (std::string_view local_part : kBad) {
    SCOPED_TRACE(local_part);
    EXPECT_EQ(deliver(local_part, "x\r\n").kind, OutcomeKind::failed);
  }
  EXPECT_TRUE(fs::is_empty(root_));
  ASSERT_EQ(compile(" file = ROOT/box\n"), "");
  EXPECT_EQ(deliver("a/b", "x\r\n").kind, OutcomeKind::delivered) << "the path is a constant";
}

TEST_F(AppendfileTest, DefersWhereItsPathIsNoPath) {
  for (const char* file : {"relative/$local_part", "ROOT/../$local_part", "ROOT/./$local_part",
                           "${if eq{a}{b}{x}fail}"}) {
    SCOPED_TRACE(file);
    ASSERT_EQ(compile(" file = " + std::string(file) + "\n"), "");
    const DeliveryOutcome outcome = deliver("bob", "x\r\n");
    EXPECT_EQ(outcome.kind, OutcomeKind::deferred);
    EXPECT_EQ(outcome.scope, FailureScope::local);
  }
}

TEST_F(AppendfileTest, DefersAMailboxThatIsFull) {
  ASSERT_EQ(compile(" file = ROOT/box\n quota = ${if eq{$local_part}{bob}{1K}{10}}\n"), "");
  EXPECT_EQ(deliver("bob", "x\r\n").kind, OutcomeKind::delivered);
  const std::string before = content_of("box");
  const DeliveryOutcome outcome = deliver("carol", "x\r\n");
  EXPECT_EQ(outcome.kind, OutcomeKind::deferred);
  EXPECT_EQ(outcome.error_number, kErrorOverQuota);
  EXPECT_EQ(outcome.failure.error, retry::RetryError::quota);
  EXPECT_EQ(content_of("box"), before);
  ASSERT_EQ(compile(" file = ROOT/box\n quota = lots\n"), "");
  EXPECT_EQ(deliver("bob", "x\r\n").kind, OutcomeKind::deferred);
}

TEST_F(AppendfileTest, WaitsForALockOnTheLoopAndGivesUp) {
  ASSERT_EQ(compile(" file = ROOT/box\n lock_interval = 1s\n lock_retries = 0\n"), "");
  std::ofstream(root_ / "box.lock") << "";
  const DeliveryOutcome outcome = deliver("bob", "x\r\n");
  EXPECT_EQ(outcome.kind, OutcomeKind::deferred);
  EXPECT_EQ(outcome.error_number, kErrorLockFailed);
  EXPECT_FALSE(fs::exists(root_ / "box"));
}

struct ProblemCase {
  std::string_view options, want;
};
constexpr std::array kProblems{
    ProblemCase{"", ""},  // a redirect router may name the file
    ProblemCase{" file = /a\n directory = /b\n maildir_format\n", "cannot both be set"},
    ProblemCase{" directory = /b\n", ""},
    ProblemCase{" directory = /b\n mailstore_format\n", ""},
    ProblemCase{" directory = /b\n mailstore_format\n maildir_format\n", "only one of maildir"},
    ProblemCase{" file = /b\n maildir_format\n", "is a \"directory\""},
    ProblemCase{" file = /b\n mbx_format\n", ""},
    ProblemCase{" file = /b\n mbx_format\n no_use_lockfile\n no_use_fcntl_lock\n",
                "no locking configured"},
    ProblemCase{" file = /b\n use_mbx_lock = true\n", ""},
    ProblemCase{" file = /b\n file_format = From : local\n", ""},
    ProblemCase{" file = /b\n file_format = From : local : *mbx*\n", "is a list of pairs"},
    ProblemCase{" file = /b\n file_format = From : loca\n", "did you mean \"local\""},
    ProblemCase{" file = /b\n batch_max = 10\n", ""},
    ProblemCase{" file = /b\n create_file = inhome\n", ""},
    ProblemCase{" file = /b\n create_file = near\n", "or an absolute path"},
    ProblemCase{" file = /b\n quota_size_regex = (\n", "missing"},
    ProblemCase{" file = /b\n shadow_transport = none\n", "there is no transport"},
    ProblemCase{" file = /b\n body_only\n headers_only\n", "not both"},
    ProblemCase{" file = /b\n transport_filter = cat\n", "absolute path"},
    ProblemCase{" file = /b\n no_use_lockfile\n no_use_fcntl_lock\n", "no locking configured"},
    ProblemCase{" file = /b\n notify_comsat\n", ""},
    ProblemCase{" file = /b\n quota_warn_message = x\n", ""},
    ProblemCase{" file = /b\n filename = x\n", "unknown"},
};

TEST_F(AppendfileTest, NamesWrongAndUnavailableOptionsAtLoad) {
  for (const ProblemCase& c : kProblems) {
    SCOPED_TRACE(c.options);
    const std::string problems = compile(std::string(c.options));
    EXPECT_EQ(problems.empty(), c.want.empty()) << problems;
    EXPECT_NE(problems.find(c.want), std::string::npos) << problems;
  }
}

TEST(SafePath, IsAbsoluteAndHasNoDots) {
  for (const char* path : {"/a", "/a/b", "/a/..b", "/a/b../c", "/a//b", "/"}) {
    EXPECT_TRUE(is_safe_path(path)) << path;
  }
  for (const char* path : {"", "a", "./a", "/..", "/a/../b", "/a/..", "/.", "/a/./b"}) {
    EXPECT_FALSE(is_safe_path(path)) << path;
  }
  EXPECT_FALSE(is_safe_path(std::string_view("/a\0b", 4)));
}

TEST_F(AppendfileTest, TellsWhetherAMessageWouldFit) {
  std::ofstream(root_ / "bob") << std::string(600, 'x');
  const auto over = [this](std::string_view options) {
    EXPECT_EQ(compile(std::string(options)), "");
    return is_over_quota("bob", 500);
  };
  struct Case {
    std::string_view options;
    bool is_over;
  };
  constexpr Case kCases[] = {
      {" file = ROOT/$local_part\n", false},
      {" file = ROOT/$local_part\n quota = 1K\n", true},
      {" file = ROOT/$local_part\n quota = 2K\n", false},
      {" file = ROOT/$local_part\n quota = 1K/no_check\n", false},
      {" file = ROOT/$local_part\n quota = 1K\n quota_is_inclusive = false\n", false},
      {" file = ROOT/$local_part\n quota = 1K\n mailbox_size = 100\n", false},
      {" file = ROOT/$local_part\n quota = 300\n mailbox_size = 100\n", true},
      {" file = ROOT/nobody\n quota = 1K\n", false},
      {" file = ROOT/nobody\n quota = 100\n", true},
      // A delivery would fail or wait, and not since the mailbox is full.
      {" file = relative/$local_part\n quota = 100\n", false},
      {" file = ROOT/$local_part\n quota = lots\n", false},
      {" file = /dev/null\n quota = 100\n", false},
  };
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.options);
    EXPECT_EQ(over(row.options), row.is_over);
  }
  EXPECT_FALSE(fs::exists(root_ / "nobody"));
  EXPECT_EQ(content_of("bob"), std::string(600, 'x'));
}

}  // namespace
}  // namespace godwit::delivery
