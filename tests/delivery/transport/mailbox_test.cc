#include "delivery/transport/mailbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <thread>
#include <vector>

namespace godwit::delivery {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put(const fs::path& path, std::string_view text, mode_t mode = 0600) {
  std::ofstream(path, std::ios::binary) << text;
  ::chmod(path.c_str(), mode);
}
mode_t mode_of(const fs::path& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}
size_t count_files(const fs::path& directory) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

class MailboxTest : public testing::Test {
 protected:
  MailboxTest() {
    std::string pattern = (fs::temp_directory_path() / "godwit-mailbox-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~MailboxTest() override { fs::remove_all(root_); }

  MailboxPlan plan(std::string_view name) const {
    MailboxPlan out;
    out.path = (root_ / name).string();
    out.host = "mx.test";
    return out;
  }
  MailboxPlan maildir(std::string_view name) const {
    MailboxPlan out = plan(name);
    out.is_maildir = true;
    return out;
  }
  static std::string deliver(Mailbox& mailbox, std::string_view text, std::string_view tag = {}) {
    MailboxStep fault = mailbox.open();
    if (!fault) fault = mailbox.append(text);
    if (!fault) fault = mailbox.commit(tag);
    return fault ? fault->text : "";
  }
  static std::string deliver_mbox(const MailboxPlan& plan, std::string_view text) {
    return deliver(*make_mbox(plan), text);
  }

  fs::path root_;
};
using Mbox = MailboxTest;
using Maildir = MailboxTest;

TEST_F(Mbox, MakesTheFileAndItsDirectoriesAndAppends) {
  MailboxPlan to = plan("a/b/inbox");
  to.mode = 0640;
  to.directory_mode = 0750;
  EXPECT_EQ(deliver_mbox(to, "one\n"), "");
  EXPECT_EQ(deliver_mbox(to, "two\n"), "");
  EXPECT_EQ(content_of(to.path), "one\ntwo\n");
  EXPECT_EQ(mode_of(to.path), 0640u);
  EXPECT_EQ(mode_of(root_ / "a"), 0750u);
  EXPECT_EQ(count_files(root_ / "a/b"), 1u) << "a lock file was left";
}

TEST_F(Mbox, TakesBackWhatWasNotCommitted) {
  const MailboxPlan to = plan("inbox");
  put(to.path, "before\n");
  {
    const std::unique_ptr<Mailbox> mailbox = make_mbox(to);
    ASSERT_FALSE(mailbox->open());
    ASSERT_FALSE(mailbox->append("half a mess"));
    EXPECT_EQ(content_of(to.path), "before\nhalf a mess");
  }
  EXPECT_EQ(content_of(to.path), "before\n");
  EXPECT_EQ(count_files(root_), 1u);
}

TEST_F(Mbox, RefusesWhatIsNoPlainFileOfItsOwn) {
  put(root_ / "real", "x");
  fs::create_symlink(root_ / "real", root_ / "symlink");
  fs::create_hard_link(root_ / "real", root_ / "hardlink");
  fs::create_directory(root_ / "directory");
  ASSERT_EQ(mkfifo((root_ / "fifo").c_str(), 0600), 0);
  for (const char* name : {"symlink", "hardlink", "real", "directory", "fifo"}) {
    SCOPED_TRACE(name);
    EXPECT_NE(deliver_mbox(plan(name), "text"), "");
  }
  EXPECT_EQ(content_of(root_ / "real"), "x");
  fs::create_symlink(root_ / "nowhere", root_ / "dangling");
  EXPECT_NE(deliver_mbox(plan("dangling"), "text"), "");
  EXPECT_FALSE(fs::exists(root_ / "nowhere"));
}

TEST_F(Mbox, ChecksTheMode) {
  MailboxPlan to = plan("inbox");
  to.mode = 0660;
  put(to.path, "", 0600);
  EXPECT_NE(deliver_mbox(to, "x").find("has the wrong mode 0600 (0660 expected)"),
            std::string::npos);
  to.mode_fail_narrower = false;
  EXPECT_EQ(deliver_mbox(to, "x"), "");
  EXPECT_EQ(mode_of(to.path), 0600u);
  put(to.path, "", 0666);
  EXPECT_EQ(deliver_mbox(to, "x"), "");
  EXPECT_EQ(mode_of(to.path), 0660u);
}

TEST_F(Mbox, ChecksTheOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "SKIPPED: only root can give files away";
  const MailboxPlan to = plan("inbox");
  put(to.path, "");
  ASSERT_EQ(chown(to.path.c_str(), 12345, getegid()), 0);
  EXPECT_NE(deliver_mbox(to, "x").find("has wrong uid (12345 != 0)"), std::string::npos);
}

TEST_F(Mbox, ChecksTheGroupWhereItIsAskedTo) {
  if (geteuid() != 0) GTEST_SKIP() << "SKIPPED: only root can give files away";
  MailboxPlan to = plan("inbox");
  put(to.path, "");
  ASSERT_EQ(chown(to.path.c_str(), geteuid(), 12345), 0);
  EXPECT_EQ(deliver_mbox(to, "x"), "");
  to.check_group = true;
  EXPECT_NE(deliver_mbox(to, "x").find("has wrong gid (12345 != 0)"), std::string::npos);
}

TEST_F(Mbox, DoesNotMakeAFileThatMustExist) {
  MailboxPlan to = plan("inbox");
  to.file_must_exist = true;
  const std::unique_ptr<Mailbox> mailbox = make_mbox(to);
  const MailboxStep fault = mailbox->open();
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->error_number, ENOENT);
  EXPECT_FALSE(fault->is_busy);
  EXPECT_FALSE(fs::exists(to.path));
}

TEST_F(Mbox, DoesNotMakeADirectoryWhereItMayNot) {
  MailboxPlan to = plan("no/inbox");
  to.create_directory = false;
  EXPECT_NE(deliver_mbox(to, "x"), "");
  EXPECT_FALSE(fs::exists(root_ / "no"));
}

TEST_F(Mbox, IsBusyWhileAnotherHasIt) {
  for (const bool by_lockfile : {true, false}) {
    SCOPED_TRACE(by_lockfile);
    MailboxPlan to = plan(by_lockfile ? "one" : "two");
    to.use_lockfile = by_lockfile;
    const std::unique_ptr<Mailbox> first = make_mbox(to);
    const std::unique_ptr<Mailbox> second = make_mbox(to);
    ASSERT_FALSE(first->open());
    const MailboxStep fault = second->open();
    ASSERT_TRUE(fault);
    EXPECT_TRUE(fault->is_busy);
    EXPECT_EQ(fault->error_number, kErrorLockFailed);
    first->abandon();
    EXPECT_FALSE(second->open());
  }
}

TEST_F(Mbox, WaitsForALockFileThatIsNotOld) {
  MailboxPlan to = plan("inbox");
  put(root_ / "inbox.lock", "");
  for (const int64_t timeout : {1800, 0}) {  // 0: for ever
    to.lockfile_timeout = Seconds{timeout};
    const std::unique_ptr<Mailbox> mailbox = make_mbox(to);
    const MailboxStep fault = mailbox->open();
    ASSERT_TRUE(fault);
    EXPECT_TRUE(fault->is_busy);
  }
  EXPECT_TRUE(fs::exists(root_ / "inbox.lock"));
  EXPECT_EQ(count_files(root_), 1u);
}

TEST_F(Mbox, KeepsToItsQuota) {
  MailboxPlan to = plan("inbox");
  put(to.path, std::string(100, 'x'));
  to.quota_bytes = 150;
  to.message_bytes = 50;
  EXPECT_EQ(deliver_mbox(to, std::string(50, 'y')), "");
  const std::unique_ptr<Mailbox> mailbox = make_mbox(to);
  const MailboxStep fault = mailbox->open();
  ASSERT_TRUE(fault);
  EXPECT_TRUE(fault->is_quota);
  EXPECT_EQ(fault->error_number, kErrorOverQuota);
  EXPECT_FALSE(fault->is_busy);
  to.quota_is_inclusive = false;
  EXPECT_EQ(deliver_mbox(to, "z"), "");
}

// Delivers `count` messages of two lines, with patience while it is busy.
int deliver_many(const MailboxPlan& plan, char who, int count) {
  for (int n = 0; n < count; ++n) {
    const std::unique_ptr<Mailbox> mailbox = make_mbox(plan);
    MailboxStep fault = mailbox->open();
    for (int tries = 0; fault && fault->is_busy && tries < 100'000; ++tries) {
      std::this_thread::yield();
      fault = mailbox->open();
    }
    const std::string text(5000, who);
    if (!fault) fault = mailbox->append(text);
    if (!fault) fault = mailbox->append("\n");
    if (!fault) fault = mailbox->commit({});
    if (fault) return 1;
  }
  return 0;
}

TEST_F(Mbox, IsSharedByProcessesAndThreads) {
  for (const bool by_lockfile : {true, false}) {
    SCOPED_TRACE(by_lockfile);
    MailboxPlan to = plan(by_lockfile ? "one" : "two");
    to.use_lockfile = by_lockfile;
    to.use_fcntl_lock = !by_lockfile;
    constexpr int kMessages = 15;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) _exit(deliver_many(to, 'a', kMessages));
    std::thread other([&] { EXPECT_EQ(deliver_many(to, 'b', kMessages), 0); });
    EXPECT_EQ(deliver_many(to, 'c', kMessages), 0);
    other.join();
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    std::ifstream in(to.path);
    std::string line;
    int lines = 0;
    for (; std::getline(in, line); ++lines) {
      ASSERT_EQ(line.size(), 5000u);
      ASSERT_EQ(line.find_first_not_of(line[0]), std::string::npos) << "mixed";
    }
    EXPECT_EQ(lines, 3 * kMessages);
  }
}

TEST_F(Maildir, MovesAWholeFileIntoNew) {
  MailboxPlan to = maildir("a/Maildir");
  to.mode = 0640;
  EXPECT_EQ(deliver(*make_maildir(to), "text\n", ",S=5"), "");
  const fs::path at(to.path);
  EXPECT_EQ(count_files(at / "tmp"), 0u);
  EXPECT_EQ(count_files(at / "cur"), 0u);
  ASSERT_EQ(count_files(at / "new"), 1u);
  const fs::path file = fs::directory_iterator(at / "new")->path();
  EXPECT_EQ(content_of(file), "text\n");
  EXPECT_EQ(mode_of(file), 0640u);
  EXPECT_TRUE(file.string().ends_with(".mx.test,S=5")) << file;
}

TEST_F(Maildir, LeavesNothingWhereItWasNotCommitted) {
  const MailboxPlan to = maildir("m");
  {
    const std::unique_ptr<Mailbox> mailbox = make_maildir(to);
    ASSERT_FALSE(mailbox->open());
    ASSERT_FALSE(mailbox->append("x"));
    EXPECT_EQ(count_files(fs::path(to.path) / "tmp"), 1u);
  }
  EXPECT_EQ(count_files(fs::path(to.path) / "tmp"), 0u);
  EXPECT_EQ(count_files(fs::path(to.path) / "new"), 0u);
}

TEST_F(Maildir, RefusesASubdirectoryThatIsALink) {
  const MailboxPlan to = maildir("m");
  fs::create_directories(root_ / "elsewhere");
  fs::create_directories(to.path);
  fs::create_directory_symlink(root_ / "elsewhere", root_ / "m/tmp");
  const std::unique_ptr<Mailbox> mailbox = make_maildir(to);
  const MailboxStep fault = mailbox->open();
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->error_number, kErrorNotDirectory);
  EXPECT_EQ(count_files(root_ / "elsewhere"), 0u);
}

TEST_F(Maildir, CountsNewAndCurOfAllFoldersForItsQuota) {
  MailboxPlan to = maildir("m");
  EXPECT_EQ(deliver(*make_maildir(to), std::string(100, 'x')), "");
  fs::create_directories(root_ / "m/.Folder/cur");
  put(root_ / "m/.Folder/cur/one", std::string(100, 'x'));
  put(root_ / "m/tmp/half", std::string(1000, 'x'));
  to.message_bytes = 10;
  to.quota_bytes = 210;
  EXPECT_EQ(deliver(*make_maildir(to), "1234567890"), "");
  EXPECT_NE(deliver(*make_maildir(to), "1234567890").find("quota exceeded"), std::string::npos);
  to.quota_bytes = 0;
  to.quota_files = 3;
  EXPECT_NE(deliver(*make_maildir(to), "1234567890").find("quota exceeded"), std::string::npos);
  to.quota_files = 4;
  EXPECT_EQ(deliver(*make_maildir(to), "1234567890"), "");
}

TEST_F(Maildir, GivesEveryFileAnotherName) {
  std::vector<std::string> names;
  for (int n = 0; n < 1000; ++n) names.push_back(unique_name("a/b:c"));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
  EXPECT_EQ(names[0].find_first_of("/:"), std::string::npos);
}

// --- Whether there is room -----------------------------------------------------------------------

TEST_F(MailboxTest, TellsWhetherAMessageFitsWithoutTouchingAnything) {
  put(root_ / "box", std::string(100, 'x'));
  fs::create_directories(root_ / "dir");
  put(root_ / "dir/1", std::string(100, 'x'));
  for (const char* part : {"md/new", "md/cur", "md/tmp"}) fs::create_directories(root_ / part);
  put(root_ / "md/new/1", std::string(100, 'x'));
  fs::create_symlink(root_ / "box", root_ / "link");
  struct Case {
    const char* name;
    uint64_t message;
    bool fits;
  };
  constexpr Case kBoxes[] = {{"box", 100, true},   {"box", 101, false},      {"none", 200, true},
                             {"none", 201, false}, {"no/where", 201, false}, {"link", 500, true},
                             {"dir", 500, true}};
  constexpr Case kDirectories[] = {
      {"dir", 100, true}, {"dir", 101, false}, {"none", 200, true}, {"none", 201, false}};
  constexpr Case kMaildirs[] = {
      {"md", 100, true}, {"md", 101, false}, {"none", 200, true}, {"none", 201, false}};
  struct Form {
    std::span<const Case> cases;
    std::unique_ptr<Mailbox> (*make)(MailboxPlan plan);
    bool use_size_file = false;
  };
  const Form forms[] = {{kBoxes, make_mbox},
                        {kDirectories, make_file_directory},
                        {kMaildirs, make_maildir},
                        {kMaildirs, make_maildir, true}};
  for (const Form& form : forms) {
    for (const Case& row : form.cases) {
      SCOPED_TRACE(std::string(row.name) + " " + std::to_string(row.message));
      MailboxPlan to = plan(row.name);
      to.quota_bytes = 200;
      to.message_bytes = row.message;
      to.use_size_file = form.use_size_file;
      const MailboxStep fault = form.make(to)->check_room();
      EXPECT_EQ(fault && fault->is_quota, !row.fits);
    }
  }
  EXPECT_FALSE(fs::exists(root_ / "none"));
  EXPECT_FALSE(fs::exists(root_ / "no"));
  EXPECT_EQ(count_files(root_ / "dir"), 1u);
  EXPECT_EQ(count_files(root_ / "md/tmp"), 0u);
  EXPECT_EQ(content_of(root_ / "box"), std::string(100, 'x'));
}

TEST_F(MailboxTest, CountsFilesForRoomAsADeliveryDoes) {
  for (const char* part : {"md/new", "md/cur", "md/tmp"}) fs::create_directories(root_ / part);
  put(root_ / "md/new/1", "x");
  MailboxPlan to = maildir("md");
  to.quota_bytes = 1000;
  to.quota_files = 1;
  EXPECT_TRUE(make_maildir(to)->check_room());
  to.quota_files = 2;
  EXPECT_FALSE(make_maildir(to)->check_room());
  to.quota_files = 1;
  to.quota_files_delivers = true;
  EXPECT_FALSE(make_maildir(to)->check_room());
  to.quota_files_delivers = false;
  to.known_files = 0;
  to.known_bytes = 0;
  EXPECT_FALSE(make_maildir(to)->check_room());
}

}  // namespace
}  // namespace godwit::delivery
