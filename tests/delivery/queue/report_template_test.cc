#include "delivery/queue/report_template.h"

#include "acl/expand/services.h"
#include "core/io/fiber.h"
#include "core/io/loop.h"
#include "core/io/scope.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace godwit::delivery {
namespace {

class PanicLog final : public Log {
 public:
  void write(const LogRecord& record) override { text += std::string(record.text) + "\n"; }
  bool wants_fields() const noexcept override { return false; }
  std::string text;
};

class ReportTemplateTest : public ::testing::Test {
 protected:
  ReportTemplateTest() {
    folder_ = (std::filesystem::temp_directory_path() / "report-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    services_.loop = &loop_;
    evaluation_.services = &services_;
    evaluation_.message = &message_;
    evaluation_.report = &told_;
    message_.id = "1wAbCd-00000000abc-0001";
    message_.sender_address = "ann@a.test";
    told_.bounce_recipient = "ann@a.test";
    told_.warn_delay = "4 hours";
    told_.warn_recipients = "owner@a.test";
  }
  ~ReportTemplateTest() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& text) {
    const std::string path = folder_ + "/template";
    std::ofstream(path) << text;
    return path;
  }
  ReportTexts texts_of(const std::string& path) {
    const Result<acl::Expansion> option = acl::compile_expansion(path, acl::CompileOptions());
    EXPECT_TRUE(option);
    ReportTexts out;
    const auto ask = [](ReportTemplateTest& test, const acl::Expansion& file,
                        ReportTexts& into) -> Task<void> {
      auto writing = [&] { return report_texts(file, nullptr, test.evaluation_, test.log_); };
      into = co_await on_fiber(writing);
    };
    Scope scope;
    scope.spawn(ask(*this, *option, out));
    loop_.run();
    return out;
  }

  Loop loop_;
  acl::Services services_;
  acl::MessageFacts message_;
  acl::ReportTextFacts told_;
  acl::EvalContext evaluation_;
  PanicLog log_;
  std::string folder_;
};

TEST_F(ReportTemplateTest, ExpandsTheItemsOfTheFile) {
  const ReportTexts texts = texts_of(write(
      "Subject: failed${if eq{$sender_address}{$bounce_recipient}{: returned}}\n****\n"
      "To $bounce_recipient\n****\nafter $warn_message_delay for $warn_message_recipients\n"));
  EXPECT_EQ(texts.headers, "Subject: failed: returned\n");
  EXPECT_EQ(texts.introduction, "To ann@a.test\n");
  EXPECT_EQ(texts.ending, "after 4 hours for owner@a.test\n");
  EXPECT_EQ(log_.text, "");
}

TEST_F(ReportTemplateTest, LeavesTheUsualTextWhereAnItemIsEmptyOrWrong) {
  const ReportTexts texts = texts_of(write("\n****\n${nonsense\n****\nlast\n"));
  EXPECT_EQ(texts.headers, "");
  EXPECT_EQ(texts.introduction, "");
  EXPECT_EQ(texts.ending, "last\n");
  EXPECT_NE(log_.text.find("the usual one is used"), std::string::npos) << log_.text;
}

TEST_F(ReportTemplateTest, TellsOfAFileThatCannotBeRead) {
  const ReportTexts texts = texts_of(folder_ + "/none");
  EXPECT_EQ(texts.headers + texts.introduction + texts.ending, "");
  EXPECT_NE(log_.text.find("/none"), std::string::npos) << log_.text;
}

TEST_F(ReportTemplateTest, IsNothingWhereTheOptionIsEmpty) {
  const ReportTexts texts = texts_of("");
  EXPECT_EQ(texts.headers + texts.introduction + texts.ending + log_.text, "");
}

}  // namespace
}  // namespace godwit::delivery
