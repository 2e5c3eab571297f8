// maildirsize, what a directory holds, mailboxes that are directories of files, batched SMTP text.
#include "delivery/transport/mailbox_use.h"

#include "delivery/transport/mailbox_text.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace godwit::delivery {
namespace {

namespace fs = std::filesystem;

class MailboxUseTest : public testing::Test {
 protected:
  MailboxUseTest() {
    std::string pattern = (fs::temp_directory_path() / "godwit-use-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    plan_.path = root_.string();
    plan_.host = "mx.test";
    for (const char* name : {"new", "cur", "tmp", ".Sent/cur", ".Trash/new"})
      fs::create_directories(root_ / name);
  }
  ~MailboxUseTest() override { fs::remove_all(root_); }

  void put(const fs::path& path, std::string_view text) {
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  std::string text_of(const fs::path& path) const {
    std::ifstream in(root_ / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::shared_ptr<const acl::Regex> regex(std::string_view pattern) {
    Result<acl::Regex> compiled = acl::Regex::compile(pattern, false);
    EXPECT_TRUE(compiled);
    return std::make_shared<const acl::Regex>(std::move(*compiled));
  }

  fs::path root_;
  MailboxPlan plan_;
};

TEST_F(MailboxUseTest, CountsMailAndNothingElseOfAMaildir) {
  put("new/a", "12345");
  put("cur/b,S=100", "1");
  put(".Sent/cur/c", "1234567890");
  put(".Trash/new/d", "1234567890");
  put("tmp/e", "1234567890");
  put("cur/.hidden", "1234567890");
  put("dovecot.index", "1234567890");
  MailboxUse use = measure_maildir(plan_.path, plan_);
  EXPECT_EQ(use.bytes, 26u);
  EXPECT_EQ(use.files, 4u);
  plan_.size_regex = regex(",S=(\\d+)");
  plan_.counted_folders = regex("^(?:cur|new|\\.(?!Trash).*)$");
  use = measure_maildir(plan_.path, plan_);
  EXPECT_EQ(use.bytes, 115u);
  EXPECT_EQ(use.files, 3u);
}

TEST_F(MailboxUseTest, CountsEveryFileBelowAPlainDirectory) {
  put("a", "12345");
  put("tmp/b", "12345");
  fs::create_hard_link(root_ / "a", root_ / "c");
  const MailboxUse use = measure_directory(plan_.path, nullptr);
  EXPECT_EQ(use.files, 3u);
  EXPECT_EQ(use.bytes, 9u);  // each name of a file counts a part of it
}

TEST_F(MailboxUseTest, MakesTheSizeFileAndAddsToIt) {
  put("new/a", "12345");
  plan_.quota_bytes = 1000;
  plan_.quota_files = 7;
  MaildirSize size(plan_.path, plan_);
  MailboxUse use;
  ASSERT_FALSE(size.read(use));
  EXPECT_EQ(use.bytes, 5u);
  size.add(20);
  EXPECT_EQ(text_of("maildirsize"), "1000S,7C\n5 1\n20 1\n");
  MaildirSize again(plan_.path, plan_);
  ASSERT_FALSE(again.read(use));
  EXPECT_EQ(use.bytes, 25u);
  EXPECT_EQ(use.files, 2u);
}

TEST_F(MailboxUseTest, BelievesOnlyAWholeSizeFileOfItsOwnQuota) {
  put("new/a", "12345");
  plan_.quota_bytes = 1000;
  struct Case {
    std::string text;
    uint64_t bytes;
  };
  const Case cases[] = {{"1000S,0C\n40 2\n-10 -1\n", 30},
                        {"1000S,0C\n  40   2\n", 40},
                        {"999S,0C\n40 2\n", 5},
                        {"1000S\n40 2\n", 5},
                        {"1000S,0C\nforty 2\n", 5},
                        {"1000S,0C\n-40 -2\n", 5},
                        {"1000S,0C\n40\n", 5},
                        {"", 5},
                        {"1000S,0C\n2000 2\n", 2000},
                        {"1000S,0C\n2000 2\n1 1\n", 5},
                        {"1000S,0C\n" + std::string(6000, ' '), 5}};
  for (const Case& row : cases) {
    put("maildirsize", row.text);
    MaildirSize size(plan_.path, plan_);
    MailboxUse use;
    ASSERT_FALSE(size.read(use)) << row.text;
    EXPECT_EQ(use.bytes, row.bytes) << row.text;
  }
}

TEST_F(MailboxUseTest, PutsAFileInADirectoryUnderItsFinalName) {
  plan_.path = (root_ / "files").string();
  const std::unique_ptr<Mailbox> mailbox = make_file_directory(plan_);
  ASSERT_FALSE(mailbox->open());
  EXPECT_NE(mailbox->inode(), 0u);
  ASSERT_FALSE(mailbox->append("text\n"));
  ASSERT_FALSE(mailbox->commit("name"));
  EXPECT_EQ(text_of("files/name"), "text\n");
  {
    const std::unique_ptr<Mailbox> other = make_file_directory(plan_);
    ASSERT_FALSE(other->open());
    ASSERT_FALSE(other->append("more\n"));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / "files"), {}), 1);
}

TEST_F(MailboxUseTest, WritesTheEnvelopeOfMailstoreLast) {
  plan_.path = (root_ / "store").string();
  const std::unique_ptr<Mailbox> mailbox = make_mailstore(plan_, "id-1");
  ASSERT_FALSE(mailbox->open());
  ASSERT_FALSE(mailbox->append("text\n"));
  EXPECT_FALSE(fs::exists(root_ / "store/id-1.env"));
  ASSERT_FALSE(mailbox->commit("a@b\nc@d\n"));
  EXPECT_EQ(text_of("store/id-1.msg"), "text\n");
  EXPECT_EQ(text_of("store/id-1.env"), "a@b\nc@d\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / "store"), {}), 2);
}

TEST_F(MailboxUseTest, MakesNothingOutsideOfWhereItMay) {
  plan_.path = (root_ / "outside").string();
  plan_.creation_root = (root_ / "inside").string();
  const std::unique_ptr<Mailbox> mailbox = make_file_directory(plan_);
  const MailboxStep fault = mailbox->open();
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->error_number, kErrorBadCreate);
  EXPECT_FALSE(fs::exists(plan_.path));
}

TEST(MailboxText, EscapesDotsOfHeadersInBatchedSmtp) {
  MailboxTextOptions options;
  options.check_string = ".";
  options.escape_string = "..";
  options.checks_headers = true;
  MailboxText text(options);
  std::string out;
  text.add_headers(".Odd: x\r\n\r\n", out);
  text.add_body(".\r\na.b\r\n..c", out);
  text.finish(out);
  EXPECT_EQ(out, "..Odd: x\n\n..\na.b\n...c\n");
}

}  // namespace
}  // namespace godwit::delivery
