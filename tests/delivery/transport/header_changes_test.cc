#include "delivery/transport/header_changes.h"

#include <gtest/gtest.h>

namespace godwit::delivery {
namespace {

constexpr std::string_view kSection = "Subject: a\r\n b\r\nX-One: 1\r\nx-two : 2\r\nTo: c\r\n";

TEST(HeaderChanges, NamesAreRemovedWithTheirFoldedLines) {
  EXPECT_EQ(change_headers(kSection, {{}, {"subject: X-*"}}), "To: c\r\n");
  EXPECT_EQ(change_headers(kSection, {{}, {"to"}}),
            "Subject: a\r\n b\r\nX-One: 1\r\nx-two : 2\r\n");
}

TEST(HeaderChanges, AddedLinesComeLastAndCannotEndTheSection) {
  EXPECT_EQ(change_headers("To: c\r\n", {{"A: 1\nB: 2", "\n\nC: 3\r\n"}, {}}),
            "To: c\r\nA: 1\r\nB: 2\r\nC: 3\r\n");
}

}  // namespace
}  // namespace godwit::delivery
