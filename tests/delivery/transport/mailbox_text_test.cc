#include "delivery/transport/mailbox_text.h"

#include <gtest/gtest.h>

#include <array>

namespace godwit::delivery {
namespace {

struct Case {
  std::string_view name, body, want;
};
constexpr std::array kCases{
    Case{"plain", "a\r\nb\r\n", "a\nb\n"},
    Case{"empty", "", ""},
    Case{"no end", "a", "a\n"},
    Case{"cr alone is text", "a\rb\r\n", "a\rb\n"},
    Case{"cr at the end", "a\r", "a\r\n"},
    Case{"cr cr lf", "a\r\r\n", "a\r\n"},
    Case{"lf alone ends a line", "a\nFrom b\r\n", "a\n>From b\n"},
    Case{"first line", "From a\r\n", ">From a\n"},
    Case{"not at a line start", "a From b\r\n", "a From b\n"},
    Case{"begins alike", "Fro\r\nFrom\r\nFromx\r\nF\r\n", "Fro\nFrom\nFromx\nF\n"},
    Case{"only the string", "From ", ">From \n"},
    Case{"half the string", "Fro", "Fro\n"},
    Case{"cr in the string", "Fr\rom \r\n", "Fr\rom \n"},
    Case{"cr before the string", "\rFrom \r\n", "\rFrom \n"},
    Case{"twice", "From From \r\nFrom \r\n", ">From From \n>From \n"},
    Case{"other case", "from a\r\n", "from a\n"},
    Case{"escaped already", ">From a\r\n", ">From a\n"},
};

std::string convert(std::string_view body, size_t step, MailboxTextOptions options) {
  MailboxText text(std::move(options));
  std::string out;
  for (size_t at = 0; at < body.size(); at += step) text.add_body(body.substr(at, step), out);
  text.finish(out);
  return out;
}

TEST(MailboxText, ConvertsTheSameInChunksOfAnySize) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    for (size_t step = 1; step <= c.body.size() + 1; ++step) {
      EXPECT_EQ(convert(c.body, step, {false, "From ", ">From "}), c.want) << step;
    }
  }
}

TEST(MailboxText, ChecksOnlyTheBody) {
  MailboxText text({false, "From ", ">From "});
  std::string out;
  text.add_headers("From : a\r\n\r\n", out);
  text.add_body("From b\r\n", out);
  text.finish(out);
  EXPECT_EQ(out, "From : a\n\n>From b\n");
}

TEST(MailboxText, KeepsCrlfWhereItIsAskedFor) {
  EXPECT_EQ(convert("a\r\nb\nc", 1, {true, "", ""}), "a\r\nb\r\nc\r\n");
}

}  // namespace
}  // namespace godwit::delivery
