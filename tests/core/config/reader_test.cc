#include "core/config/main_options.h"
#include "tests/core/config/support.h"

#include <gtest/gtest.h>

namespace godwit::config {
namespace {

// The main settings of a text, as "name=value;name;".
std::string settings_of(const ConfigDocument& document) {
  std::string out;
  for (const Setting& setting : document.main) {
    out += setting.name;
    if (setting.value) out += "=" + setting.value->text();
    out += ";";
  }
  return out;
}

struct Case {
  std::string_view name;
  std::string_view input;
  std::string_view want;
};

TEST(ConfigReader, ReadsWhatTheFormatAllows) {
  constexpr Case kCases[] = {
      {"plain", "a = b\nc\n", "a=b;c;"},
      {"no final line end", "a = b", "a=b;"},
      {"comment and blank lines", "# x\n\n  # y = z\na = b # not a comment\n",
       "a=b # not a comment;"},
      {"continuation", "a = b\\\n   c \\  \n\t d\n", "a=bc d;"},
      {"comment inside continuation", "a = b\\\n  # no\n  c\n", "a=bc;"},
      {"blank line ends a continuation", "a = b\\\n\nc\n", "a=b;c;"},
      {"CRLF", "a = b\\\r\n c\r\nd\r\n", "a=bc;d;"},
      {"hide", "hide a = b\nhide\tc\n", "a=b;c;"},
      {"macro", "FOO = bar\na = FOO-FOO\n", "a=bar-bar;"},
      {"macro order", "XFOO = 1\nFOO = 2\na = XFOO FOO\n", "a=1 2;"},
      {"macro value expanded when defined", "FOO = x\nBAR = FOO y\na = BAR\n", "a=x y;"},
      {"macro redefined by itself", "FOO = bar\nFOO == FOOFOO\na = FOO\n", "a=barbar;"},
      {"later macro inside an earlier one's text", "A1 = B2 x\nB2 = y\na = A1\n", "a=y x;"},
      {"macro as comment", "NO = # \nNO a = b\nc\n", "c;"},
      {"macro split by continuation is none", "FOO = x\na = FO\\\nO\n", "a=FOO;"},
      {"empty macro line is ignored", "E =\nE\na\n", "a;"},
      {"ifdef", "FOO=x\n.ifdef FOO\na\n.else\nb\n.endif\n", "a;"},
      {"ifdef by a part of the name", "FOO=x\n.ifdef XFOOY\na\n.endif\n", "a;"},
      {"ifndef", ".ifndef FOO\na\n.else\nb\n.endif\n", "a;"},
      {"elifdef",
       "C=1\n.ifdef A\na\n.elifdef B\nb\n.elifdef C\nc\n.elifndef D\nd\n.else\ne\n.endif\n", "c;"},
      {"nested in a false part", ".ifdef A\n.ifdef B\n.else\nx\n.endif\n.else\ny\n.endif\n", "y;"},
      {"ifdef inside a continuation", "a = b\\\n.ifdef A\nc\\\n.else\nd\\\n.endif\n e\n", "a=bde;"},
      {"directive made by a macro", "INC = .include_if_exists nothing\nINC\na\n", "a;"},
      {"begin in any case", "Begin acl\nx:\naccept\n", ""},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Diagnostics diagnostics;
    const ConfigDocument document = read_text(std::string(c.input), diagnostics);
    EXPECT_EQ(settings_of(document), c.want);
    EXPECT_EQ(diagnostics.render_all(), "");
  }
}

TEST(ConfigReader, CommandLineMacrosWinOverTheFile) {
  Diagnostics diagnostics;
  const ReadOptions options{{{"FOO", "cli"}}, {"_HAVE_TLS"}};
  const auto document = read_text(
      "FOO = file\nFOO == again\na = FOO\n.ifdef _HAVE_TLS\nb\n.endif\n", diagnostics, options);
  EXPECT_EQ(settings_of(document), "a=cli;b;");
  EXPECT_EQ(diagnostics.render_all(), "");
}

TEST(ConfigReader, IncludesRelativeAbsoluteAndInsideContinuedLines) {
  MemoryFiles files;
  files.put("/etc/exim/main.conf",
            ".include sub/one\n.include \"/abs/two\"\na = x\\\n.include part\n y\n");
  files.put("/etc/exim/sub/one", "one\n.include nested\n");
  files.put("/etc/exim/sub/nested", "nested");
  files.put("/abs/two", "two\n.include_if_exists /nowhere\n");
  files.put("/etc/exim/part", "MIDDLE\\\n");
  Diagnostics diagnostics;
  const auto document = read_document("/etc/exim/main.conf", files, {}, diagnostics);
  EXPECT_EQ(settings_of(document), "one;nested;two;a=xMIDDLEy;");
  EXPECT_EQ(diagnostics.render_all(), "");
}

TEST(ConfigReader, StopsAtFilesThatIncludeEachOther) {
  MemoryFiles files;
  files.put("a", ".include b\n");
  files.put("b", ".include a\n");
  Diagnostics diagnostics;
  read_document("a", files, {}, diagnostics);
  EXPECT_EQ(diagnostics.error_count(), 1u);
}

TEST(ConfigReader, StopsAtMacrosThatGrowWithoutEnd) {
  std::string text = "A1 = xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n";
  for (int i = 0; i < 40; ++i) text += "A1 == A1A1\n";
  Diagnostics diagnostics;
  read_text(text, diagnostics);
  EXPECT_EQ(diagnostics.error_count(), 1u);
}

TEST(ConfigReader, KeepsThePlaceThroughMacrosAndContinuations) {
  Diagnostics diagnostics;
  const auto document = read_text("FOO = a long text\nx = one FOO two \\\n   three\n", diagnostics);
  const LocatedText& value = *document.main[0].value;
  EXPECT_EQ(value.text(), "one a long text two three");
  const auto column_of = [&](std::string_view word) { return value.at(value.view().find(word)); };
  EXPECT_EQ(column_of("one"), (Place{0, 2, 5}));
  EXPECT_EQ(column_of("long"), (Place{0, 2, 9}));
  EXPECT_EQ(column_of("two"), (Place{0, 2, 13}));
  EXPECT_EQ(column_of("three"), (Place{0, 3, 4}));
}

TEST(ConfigReader, SortsSectionsIntoTheDocument) {
  Diagnostics diagnostics;
  const auto document = read_text(
      "hostlist_cache h = 1.2.3.4 : \\\n \"x\"\ndomainlist d = \"a : \\x62\"\n"
      "begin transport\nt:\n  driver = smtp\n  hide port = 26\n"
      "begin retry\n* * F,1h,1m\n\nbegin acl\nM = deny\na:\n  accept hosts = *\n  M\n"
      "NN = x\nb:\n  warn\nbegin routers\nr1:\n driver = accept\n set r_x = 1\nKK=y\n"
      "r2:\n no_verify\nbegin rewrite\n*@a b@c E\nbegin authenticators\np:\n driver=plaintext\n",
      diagnostics);
  EXPECT_EQ(diagnostics.render_all(), "");
  ASSERT_EQ(document.lists.size(), 2u);
  EXPECT_TRUE(document.lists[0].cache);
  EXPECT_EQ(document.lists[1].value.text(), "a : b");
  ASSERT_EQ(document.acls.size(), 2u);
  ASSERT_EQ(document.acls[0].lines.size(), 2u);
  EXPECT_EQ(document.acls[0].lines[1].text(), "deny");
  ASSERT_EQ(document.routers.size(), 2u);
  EXPECT_EQ(document.routers[0].settings[1].value->text(), "r_x = 1");
  EXPECT_EQ(document.transports[0].find("port")->value->text(), "26");
  EXPECT_EQ(document.retry.size(), 1u);
  EXPECT_EQ(document.rewrite.size(), 1u);
  EXPECT_EQ(document.authenticators.size(), 1u);
}

TEST(ConfigReader, NamesEveryProblemWithItsPlace) {
  compare_golden("config", [](std::string text) {
    Diagnostics diagnostics;
    apply_main_options(read_text(std::move(text), diagnostics), diagnostics);
    return diagnostics.render_all();
  });
}

TEST(Diagnostics, StopAtTheirBound) {
  Diagnostics diagnostics;
  for (int i = 0; i < 1000; ++i) diagnostics.error({}, "x");
  EXPECT_EQ(diagnostics.all().size(), 201u);
  EXPECT_EQ(diagnostics.error_count(), 1000u);
}

}  // namespace
}  // namespace godwit::config
