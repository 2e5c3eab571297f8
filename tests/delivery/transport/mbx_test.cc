#include "delivery/transport/mbx.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace godwit::delivery {
namespace {

namespace fs = std::filesystem;

class MbxTest : public testing::Test {
 protected:
  MbxTest() {
    std::string pattern = (fs::temp_directory_path() / "godwit-mbx-test-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    plan_.path = (root_ / "inbox").string();
    plan_.host = "mx.test";
    plan_.now = WallTime::from_seconds(1767604045);
    plan_.utc = plan_.is_mbx = plan_.use_mbx_lock = true;
    plan_.use_lockfile = false;
  }
  ~MbxTest() override { fs::remove_all(root_); }

  // Empty, or why not.
  std::string deliver(std::string_view text) const {
    const std::unique_ptr<Mailbox> mailbox = make_mbox(plan_);
    MailboxStep fault = mailbox->open();
    if (!fault) fault = mailbox->append(text);
    if (!fault) fault = mailbox->commit({});
    return fault ? fault->text : "";
  }
  std::string content() const {
    std::ifstream in(plan_.path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string lock_name() const {
    struct stat mailbox {};
    if (stat(plan_.path.c_str(), &mailbox) != 0) return {};
    char name[64];
    std::snprintf(name, sizeof name, "/tmp/.%lx.%lx", mailbox.st_dev, mailbox.st_ino);
    return name;
  }

  fs::path root_;
  MailboxPlan plan_;
};

TEST_F(MbxTest, AFileHasAHeadAndALineBeforeEachMessage) {
  EXPECT_EQ(deliver("Subject: x\r\n\r\none\r\n"), "");
  EXPECT_EQ(deliver("two\r\n"), "");
  const std::string all = content();
  ASSERT_GT(all.size(), kMbxHeadBytes);
  EXPECT_EQ(all.substr(0, 25), "*mbx*\r\n695b7f4d00000000\r\n");
  EXPECT_EQ(all[kMbxHeadBytes - 1], '\0');
  EXPECT_EQ(all.substr(kMbxHeadBytes),
            "05-Jan-2026 09:07:25 +0000,19;000000000000-00000000\r\nSubject: x\r\n\r\none\r\n"
            "05-Jan-2026 09:07:25 +0000,5;000000000000-00000000\r\ntwo\r\n");
  EXPECT_FALSE(fs::exists(lock_name())) << "a lock file was left";
}

TEST_F(MbxTest, AMessageThatWasNotCommittedLeavesNothing) {
  {
    const std::unique_ptr<Mailbox> mailbox = make_mbox(plan_);
    ASSERT_FALSE(mailbox->open());
    EXPECT_TRUE(fs::exists(lock_name()));
    ASSERT_FALSE(mailbox->append("half a mess"));
  }
  EXPECT_EQ(content(), "");
  EXPECT_FALSE(fs::exists(lock_name()));
}

TEST_F(MbxTest, AReaderThatSharesTheFileDoesNotStopADelivery) {
  ASSERT_EQ(deliver("one\r\n"), "");
  const UniqueFd reader(::open(plan_.path.c_str(), O_RDWR | O_CLOEXEC));
  struct flock shared {};
  shared.l_type = F_RDLCK;
  shared.l_whence = SEEK_SET;
  ASSERT_EQ(fcntl(reader.get(), F_OFD_SETLK, &shared), 0);
  EXPECT_EQ(deliver("two\r\n"), "");
  EXPECT_TRUE(fs::exists(lock_name())) << "it is in use: somebody has the mailbox open";
  // The reader is changing something.
  const UniqueFd lock(::open(lock_name().c_str(), O_RDWR | O_CLOEXEC));
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  ASSERT_EQ(fcntl(lock.get(), F_OFD_SETLK, &whole), 0);
  EXPECT_NE(deliver("three\r\n").find("failed to lock mailbox"), std::string::npos);
  fs::remove(lock_name());
}

TEST_F(MbxTest, WhatIsNoPlainLockFileIsRefused) {
  ASSERT_EQ(deliver("one\r\n"), "");
  const std::string name = lock_name();
  fs::create_symlink(root_ / "elsewhere", name);
  EXPECT_NE(deliver("two\r\n"), "");
  EXPECT_FALSE(fs::exists(root_ / "elsewhere"));
  fs::remove(name);
  std::ofstream(root_ / "other") << "x";
  fs::create_hard_link(root_ / "other", name);
  EXPECT_NE(deliver("two\r\n").find("is no plain file"), std::string::npos);
  fs::remove(name);
}

TEST_F(MbxTest, FlockMayBeUsedInstead) {
  plan_.use_fcntl_lock = false;
  plan_.use_flock_lock = true;
  ASSERT_EQ(deliver("one\r\n"), "");
  const UniqueFd reader(::open(plan_.path.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(flock(reader.get(), LOCK_SH), 0);
  EXPECT_EQ(deliver("two\r\n"), "");
  ASSERT_EQ(flock(reader.get(), LOCK_EX), 0);
  EXPECT_NE(deliver("three\r\n").find("failed to lock mailbox"), std::string::npos);
  flock(reader.get(), LOCK_UN);
  fs::remove(lock_name());
}

}  // namespace
}  // namespace godwit::delivery
