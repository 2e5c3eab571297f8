// References of answers, as the real Exim 4.96 makes them.
#include "protocol/message/references.h"

#include <gtest/gtest.h>

namespace godwit::message {
namespace {

std::string numbered(int from, int to) {
  std::string out;
  for (int n = from; n <= to; ++n) out += (out.empty() ? "<" : " <") + std::to_string(n) + "@a>";
  return out;
}

TEST(References, AreThoseOfTheMessageAndItself) {
  struct Row {
    std::string headers;
    std::string wanted;
  };
  const Row rows[] = {
      {"Subject: x\r\n", "<own@x>"},
      {"References: <1@a> <2@a>\r\nIn-Reply-To: <9@a>\r\n", "<1@a> <2@a> <own@x>"},
      {"In-Reply-To: <9@a> (a comment \\) of <it>)\r\n", "<9@a> <own@x>"},
      {"references: (c <1@a>)\r\n\t<2@a>\r\nSubject: y\r\n", "<2@a> <own@x>"},
      {"References:\r\nIn-Reply-To: <9@a>\r\n", "<own@x>"},
      {"In-Reply-To: Your mail of <9@a>\r\n", "<own@x>"},
      {"References: <1@a> nonsense <2@a>\r\n", "<1@a> <own@x>"},
      {"References: <1@a> <@a> <2@a>\r\n", "<1@a> <own@x>"},
      {"References: <1@a> <2@\r\n a> <3@a>\r\n", "<1@a> <own@x>"},
      {"References: " + numbered(1, 12) + "\r\n", numbered(1, 12) + " <own@x>"},
      {"References: " + numbered(1, 14) + "\r\n", "<1@a> " + numbered(4, 14) + " <own@x>"},
  };
  for (const Row& row : rows)
    EXPECT_EQ(references_to(row.headers, "<own@x>"), row.wanted) << row.headers;
  EXPECT_EQ(references_to("References: <1@a>\r\n", ""), "<1@a>");
}

TEST(References, StayOnOneLineWhateverIsReferredTo) {
  const std::string id = "<" + std::string(300, 'i') + "@a>";
  const std::string huge = "<" + std::string(2000, 'i') + "@a>";
  EXPECT_EQ(references_to("References: <1@a> " + id + " " + id + " " + id + "\r\n", "<own@x>"),
            "<1@a> " + id + " " + id + " <own@x>");
  EXPECT_EQ(references_to("References: " + huge + " <2@a>\r\n", "<own@x>"), "<2@a> <own@x>");
  EXPECT_EQ(references_to("References: <1@a> " + huge + " <2@a>\r\n", "<own@x>"),
            "<1@a> <2@a> <own@x>");
}

}  // namespace
}  // namespace godwit::message
