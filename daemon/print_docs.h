// --print-docs: the tables of the manual, made of the rows that the program itself works with, so
// that they cannot be wrong. A table is a function in print_docs.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace godwit::daemon {

struct DocsTable {
  std::string title;
  std::vector<std::string_view> columns;
  std::vector<std::vector<std::string>> rows;  // a cell for each column
};

// Every table, in the order of the manual.
std::vector<DocsTable> docs_tables();
// As Markdown.
void append_markdown(std::string& out, const DocsTable& table);

// Prints all tables, or those with `word` in their title; 1 where there is none.
int print_docs(std::string_view word);

}  // namespace godwit::daemon
