#include "daemon/print_docs.h"

#include "acl/expand/variables.h"
#include "core/config/log_selector.h"
#include "core/config/main_options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace godwit::daemon {
namespace {

const DocsTable& table_of(const std::vector<DocsTable>& tables, std::string_view title) {
  return *std::ranges::find(tables, title, &DocsTable::title);
}

std::set<std::string> names_of(const DocsTable& table) {
  std::set<std::string> names;
  for (const auto& row : table.rows) names.insert(row.front());
  return names;
}

TEST(PrintDocs, EveryRowSaysWhatItIs) {
  std::set<std::string> titles;
  for (const DocsTable& table : docs_tables()) {
    EXPECT_TRUE(titles.insert(table.title).second) << table.title;
    EXPECT_FALSE(table.rows.empty()) << table.title;
    for (const auto& row : table.rows) {
      ASSERT_EQ(row.size(), table.columns.size()) << table.title;
      EXPECT_FALSE(row.front().empty()) << table.title;
      const std::string& meaning = row.back();
      EXPECT_FALSE(meaning.empty() || meaning.starts_with(" (")) << table.title << " " << row[0];
    }
    EXPECT_EQ(names_of(table).size(), table.rows.size()) << table.title << " has a name twice";
  }
}

TEST(PrintDocs, NamesAreThoseThatTheProgramKnows) {
  const std::vector<DocsTable> tables = docs_tables();
  std::set<std::string> options;
  for (const auto& row : config::main_option_rows()) options.emplace(row.name);
  EXPECT_EQ(names_of(table_of(tables, "Main options")), options);
  std::set<std::string> selectors;
  for (const auto& row : config::log_selector_rows()) selectors.emplace(row.name);
  EXPECT_EQ(names_of(table_of(tables, "Log selectors")), selectors);
  for (const std::string& name : names_of(table_of(tables, "Expansion variables"))) {
    ASSERT_TRUE(name.starts_with('$'));
    EXPECT_NE(acl::find_variable(name.substr(1)), nullptr) << name;
  }
  for (const std::string_view title :
       {"Options of the smtp transport", "Options of the redirect router", "ACL conditions",
        "ACL controls", "Lookups", "Expansion operators", "SMTP extensions"})
    EXPECT_GT(table_of(tables, title).rows.size(), 5u) << title;
}

TEST(PrintDocs, CellsStayInTheirRow) {
  std::string out;
  append_markdown(out, {"T", {"name", "meaning"}, {{"a|b", "two\nlines"}}});
  EXPECT_EQ(out, "## T\n\n| name | meaning |\n|---|---|\n| `a\\|b` | two\\nlines |\n\n");
}

}  // namespace
}  // namespace godwit::daemon
