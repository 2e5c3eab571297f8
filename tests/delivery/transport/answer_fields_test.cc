#include "delivery/transport/answer_fields.h"

#include <gtest/gtest.h>

#include <array>

namespace godwit::delivery {
namespace {

struct ListCase {
  std::string_view given;
  std::string_view text;
  std::vector<std::string> addresses;
  bool is_malformed = false;
};

TEST(AnswerFields, QualifiesAddressesWhereTheyStandAndPassesOverWhatIsNone) {
  const std::array cases{
      ListCase{"", "", {}},
      ListCase{" \n ", "", {}},
      ListCase{"joe", "joe@d.test", {"joe@d.test"}},
      ListCase{"a@x.test, Joe (c) <joe> , b",
               "a@x.test, Joe (c) <joe@d.test> , b@d.test",
               {"a@x.test", "joe@d.test", "b@d.test"}},
      ListCase{"g: a, b@x.test;, c",
               "g: a@d.test, b@x.test;, c@d.test",
               {"a@d.test", "b@x.test", "c@d.test"}},
      ListCase{"<>", "<>", {}, true},
      ListCase{"a@x.test, bad@", "a@x.test, bad@", {"a@x.test"}, true},
      ListCase{"\"a, b\" <c@x.test>, (x, y) d, e f <",
               "\"a, b\" <c@x.test>, (x, y) d@d.test, e f <",
               {"c@x.test", "d@d.test"},
               true},
      ListCase{"\\", "\\", {}, true},
      ListCase{"\"unfinished, a@x.test", "\"unfinished, a@x.test", {}, true},
  };
  acl::EvalContext context;
  for (const ListCase& c : cases) {
    SCOPED_TRACE(c.given);
    const AnswerList list = answer_list(c.given, "d.test", nullptr, context);
    EXPECT_EQ(list.text, c.text);
    EXPECT_EQ(list.addresses, c.addresses);
    EXPECT_EQ(list.is_malformed, c.is_malformed);
  }
}

TEST(AnswerFields, FindsCharactersThatNoFieldMayHave) {
  EXPECT_EQ(unprintable_in("a\tb ~\n c"), std::nullopt);
  EXPECT_EQ(unprintable_in("a\nb"), 10);
  EXPECT_EQ(unprintable_in("a\n"), 10);
  EXPECT_EQ(unprintable_in("a\rb"), 13);
  EXPECT_EQ(unprintable_in("\x7f"), 127);
  EXPECT_EQ(unprintable_in("\xc3\xa4"), 0xc3);
}

TEST(AnswerFields, TakesHeaderLinesUpToTheFirstThatIsNone) {
  MoreFields more = more_fields("X-A: b\n\tfold\nfrom: x\nbroken\nDate: y");
  EXPECT_EQ(more.lines, "X-A: b\r\n\tfold\r\nfrom: x\r\n");
  EXPECT_EQ(more.body, "broken\r\nDate: y\r\n\r\n");
  EXPECT_TRUE(more.has_from);
  EXPECT_FALSE(more.has_date);
  more = more_fields("\nX-B: c");
  EXPECT_EQ(more.lines, "");
  EXPECT_EQ(more.body, "X-B: c\r\n\r\n");
  EXPECT_EQ(more_fields("").lines, "");
  EXPECT_EQ(more_fields("Date: z\n").body, "");
}

}  // namespace
}  // namespace godwit::delivery
