#include "acl/expand/list_text.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {
namespace {

std::vector<std::string> items_of(std::string_view list) {
  ListReader reader(list);
  std::vector<std::string> items;
  std::string_view item;
  while (reader.next(item)) items.emplace_back(item);
  return items;
}

std::string list_of(const std::vector<std::string>& items, char separator) {
  std::string out = "before ";
  ListWriter writer(out, separator);
  for (const std::string& item : items) writer.add(item);
  return out;
}

TEST(ListReader, GivesTrimmedItemsWithSingleSeparators) {
  const struct {
    std::string_view list;
    std::vector<std::string> want;
  } kCases[] = {
      {"", {}},
      {"  ", {}},
      {"a", {"a"}},
      {" a : b ", {"a", "b"}},
      {":", {""}},
      {"a:", {"a"}},
      {"a: :b", {"a", "", "b"}},
      {"a::b:c", {"a:b", "c"}},
      {"a:::b", {"a:", "b"}},
      {"<, a,,b , c:d", {"a,b", "c:d"}},
      {"<\n a\n\nb", {"a", "", "b"}},
      {"a longer item than sixteen bytes : and one more",
       {"a longer item than sixteen bytes", "and one more"}},
  };
  for (const auto& row : kCases) EXPECT_EQ(items_of(row.list), row.want) << row.list;
}

TEST(ListWriter, DoublesSeparatorsAndKeepsEmptyItems) {
  EXPECT_EQ(list_of({}, ':'), "before ");
  EXPECT_EQ(list_of({"a", "b"}, ':'), "before a:b");
  EXPECT_EQ(list_of({"", "a", "", "b"}, ':'), "before :a: :b");
  EXPECT_EQ(list_of({"a:b", "::", "a longer item: than sixteen bytes:"}, ':'),
            "before a::b: :::::a longer item:: than sixteen bytes::");
  EXPECT_EQ(list_of({"a:b", ","}, ','), "before a:b, ,,");
}

TEST(ListWriter, TakesWhatOthersAppend) {
  std::string out;
  ListWriter writer(out, ';');
  for (std::string_view item : {"x;y", "", "z"}) {
    writer.begin_item();
    out += item;
    writer.end_item();
  }
  EXPECT_EQ(out, "x;;y; ;z");
}

TEST(ListWriter, MakesWhatTheReaderReads) {
  const std::vector<std::string> items = {"a", "b:c", "d::", "e f", "", "::", "g", ":"};
  std::string out;
  ListWriter writer(out, ':');
  for (const std::string& item : items) writer.add(item);
  EXPECT_EQ(items_of(out), items);
}

}  // namespace
}  // namespace godwit::acl
