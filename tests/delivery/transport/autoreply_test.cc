// autoreply with `once`: an answer that could not be sent has not been given.
#include "delivery/transport/autoreply.h"

#include "core/config/document.h"
#include "core/spool/store.h"
#include "tests/support/power_cut_files.h"
#include "tests/support/run_task.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace godwit::delivery {
namespace {

namespace fs = std::filesystem;
using test::run_task;

class EmptySink final : public spool::RecoverySink {
 public:
  void on_message(spool::MessageRef, spool::MessageKey, uint64_t, uint64_t, uint64_t,
                  WallTime) override {}
  void on_update(spool::MessageRef, spool::MessageKey, std::string_view) override {}
  void on_damage(std::string_view) override {}
};

// Takes answers, or says that the disk is full.
class Injector final : public MessageInjector {
 public:
  Task<Result<void>> inject_message(std::string sender, std::vector<std::string> recipients,
                                    std::string, std::string, std::string) override {
    EXPECT_EQ(sender, "");
    if (is_full) co_return Error(Errc::disk_error, "no space");
    for (std::string& recipient : recipients) answered.push_back(std::move(recipient));
    co_return Result<void>();
  }
  bool is_full = false;
  std::vector<std::string> answered;
};

Task<Result<spool::StoredMessage>> store_message(spool::Store& store) {
  const std::unique_ptr<spool::MessageWriter> writer = store.begin({1, 1});
  co_await ok(writer->append("body\r\n"));
  co_return co_await writer->commit("e", "From: ann@example.org\r\nSubject: hello\r\n");
}
Task<Result<void>> load(MessageContent& content) {
  co_return co_await content.load_headers();
}
Task<Result<void>> close(spool::Store& store) {
  co_await store.close();
  co_return Result<void>();
}

class AutoreplyTest : public testing::Test {
 protected:
  AutoreplyTest() {
    std::string pattern = (fs::temp_directory_path() / "godwit-autoreply-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    config::MemoryFiles files;
    files.put("/c",
              "begin transports\nanswer:\n driver = autoreply\n to = $sender_address\n text = "
              "gone\n once = " +
                  (root_ / "once").string() + "\n");
    config::Diagnostics diagnostics;
    const config::ConfigDocument document = config::read_document("/c", files, {}, diagnostics);
    lists_ = acl::NamedLists::compile_all(document, diagnostics);
    transports_ = TransportSet::compile(document, *lists_, diagnostics);
    EXPECT_EQ(diagnostics.render_all(), "");
    facts_.sender_address = "ann@example.org";
  }
  ~AutoreplyTest() override { fs::remove_all(root_); }

  OutcomeKind answer() {
    test::PowerCutFiles files(1);
    EXPECT_TRUE(files.make_directory("/s"));
    EmptySink sink;
    auto opened =
        run_task(loop_, spool::Store::open(loop_, files, "/s/0", spool::StoreOptions(), sink));
    EXPECT_TRUE(opened);
    const Result<spool::StoredMessage> stored = run_task(loop_, store_message(**opened));
    EXPECT_TRUE(stored);
    MessageContent content(**opened, stored->ref, 6);
    content.set_bytes(stored->bytes);
    EXPECT_TRUE(run_task(loop_, load(content)));
    acl::EvalContext evaluation;
    evaluation.message = &facts_;
    evaluation.now = WallTime::from_seconds(1795235400);
    Envelope envelope;
    envelope.sender = "ann@example.org";
    const LocalRecipient recipient{"bob", "example.com", "bob@example.com", evaluation,
                                   evaluation.now};
    const LocalDelivery delivery{recipient, envelope, content, "ann@example.org", &injector_};
    const DeliveryOutcome outcome = run_task(loop_, transports_->at(0)->deliver(loop_, delivery));
    EXPECT_TRUE(run_task(loop_, close(**opened)));
    return outcome.kind;
  }

  Loop loop_;
  fs::path root_;
  acl::MessageFacts facts_;
  Injector injector_;
  std::shared_ptr<const acl::NamedLists> lists_;
  std::shared_ptr<const TransportSet> transports_;
};

TEST_F(AutoreplyTest, AnAnswerThatCouldNotBeSentIsSentLaterAndOnce) {
  injector_.is_full = true;
  EXPECT_EQ(answer(), OutcomeKind::deferred);
  EXPECT_EQ(answer(), OutcomeKind::deferred);
  injector_.is_full = false;
  EXPECT_EQ(answer(), OutcomeKind::delivered);
  EXPECT_EQ(injector_.answered, std::vector<std::string>{"ann@example.org"});
  EXPECT_EQ(answer(), OutcomeKind::delivered);
  EXPECT_EQ(injector_.answered.size(), 1U);
}

}  // namespace
}  // namespace godwit::delivery
