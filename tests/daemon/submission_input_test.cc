#include "daemon/submission_input.h"

#include <gtest/gtest.h>

namespace godwit::daemon {
namespace {

TEST(SubmissionInput, FindsTheLineThatEndsAMessage) {
  constexpr size_t kNone = std::string_view::npos;
  EXPECT_EQ(find_end_dot("a\n.\nb", 0), 2u);
  EXPECT_EQ(find_end_dot("a\r\n.\r\nb", 0), 3u);
  EXPECT_EQ(find_end_dot(".\n", 0), 0u);
  EXPECT_EQ(find_end_dot("a.\n.b\n..\n", 0), kNone);
  EXPECT_EQ(find_end_dot("a\n.", 0), kNone) << "its end may still come";
  EXPECT_EQ(find_end_dot("a\n.\n\n.\n", 3), 5u);
}

}  // namespace
}  // namespace godwit::daemon
