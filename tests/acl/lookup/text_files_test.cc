// lsearch and its kin, json, dsearch: as Exim answers, and when files change.
#include "acl/lookup/line_file.h"
#include "tests/acl/lookup/support.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace godwit::acl {
namespace {

constexpr std::string_view kLines = R"(# comment
alpha:  one
  two   
# in the middle

	three
beta	spaced data
gamma : colon after space
"quoted key" : qdata "x"
"q2\x41\tz": esc
"oct\101\\\"": back
noval
empty:
  cont
:fail
baduser:  :fail:
alpha: second
*.example: wild-example
*.fict.example: wfict
.dot.example: dotted
*: default
*@eyre.example: atdefault
UPPER: up
"unterm: v
nul: x # no comment)";

class TextFiles : public LookupTest {
 protected:
  std::string lines_ = directory_.write("lines", std::string(kLines));
};

TEST_F(TextFiles, LsearchReadsTheFormatOfAliasFiles) {
  struct Case {
    std::string_view type, key, want;
  };
  constexpr Case kCases[] = {
      {"lsearch", "alpha", "=one two three"},
      {"lsearch", "ALPHA", "=one two three"},
      {"lsearch", "beta", "=spaced data"},
      {"lsearch", "gamma", "=colon after space"},
      {"lsearch", "quoted key", "=qdata \"x\""},
      {"lsearch", "q2A\tz", "=esc"},
      {"lsearch", "octA\\\"", "=back"},
      {"lsearch", "noval", "="},
      {"lsearch", "empty", "= cont"},
      {"lsearch", "baduser", "=:fail:"},
      {"lsearch", "upper", "=up"},
      {"lsearch", "unterm: v", "="},
      {"lsearch", "nul", "=x # no comment"},
      {"lsearch", "two", "none"},
      {"lsearch", "#", "none"},
      {"lsearch", "", "none"},
      {"lsearch,ret=full", "beta", "=beta\tspaced data"},
      {"lsearch,ret=full", "gamma", "=gamma : colon after space"},
      {"lsearch,ret=full", "quoted key", "=quoted key : qdata \"x\""},
      {"lsearch,ret=full", "empty", "=empty: cont"},
      {"lsearch,ret=key", "ALPHA", "=ALPHA"},
      {"lsearch*", "", "=default"},
  };
  for (const Case& c : kCases) EXPECT_EQ(ask(c.type, lines_, c.key), c.want) << c.type << c.key;
}

TEST_F(TextFiles, PartialAndDefaultKeysComeInEximsOrder) {
  struct Case {
    std::string_view type, key, want;
  };
  constexpr Case kCases[] = {
      {"partial-lsearch", "a.b.fict.example", "=wfict [a.b] [fict.example]"},
      {"partial-lsearch", "fict.example", "=wfict [] [fict.example]"},
      {"partial-lsearch", "example", "=wild-example [] [example]"},
      {"partial-lsearch", "foo.example", "none"},
      {"partial1-lsearch", "foo.example", "=wild-example [foo] [example]"},
      {"partial0-lsearch", "foo.bar", "=default [foo.bar] []"},
      {"partial(.)lsearch", "a.dot.example", "=dotted [a] [dot.example]"},
      {"partial1()lsearch", "x.upper", "=up [x] [upper]"},
      {"partial0()lsearch", "x.y", "none"},
      {"lsearch*", "nokey", "=default [nokey] []"},
      {"lsearch*@", "jane@eyre.example", "=atdefault [jane] []"},
      {"lsearch*@", "x@y", "=default [x@y] []"},
      {"lsearch*@", "@eyre.example", "=default [@eyre.example] []"},
      {"partial-lsearch*", "x.y", "=default [x.y] []"},
      {"partial-lsearch*", "beta", "=spaced data"},
  };
  for (const Case& c : kCases)
    EXPECT_EQ(ask_captures(c.type, lines_, c.key), c.want) << c.type << ' ' << c.key;
}

TEST_F(TextFiles, WildKeysArePatterns) {
  const std::string file =
      directory_.write("wild",
                       "*fish: suffix\n^abc\\d+: regex\n*.a.b.c: dom\n\"^q[a ]:z\": quoted\n"
                       "^(?-i)CASE$: case\nlsearch;" +
                           lines_ + "  nested\nliteral: lit\n^(broken: x\n");
  struct Case {
    std::string_view key, want;
  };
  constexpr Case kCases[] = {
      {"catFISH", "=suffix"}, {"ABC12", "=regex"}, {"x.a.b.c", "=dom"}, {"QA:Z", "=quoted"},
      {"CASE", "=case"},      {"beta", "=nested"}, {"LITERAL", "=lit"},
  };
  for (const Case& c : kCases) EXPECT_EQ(ask("nwildlsearch", file, c.key), c.want) << c.key;
  EXPECT_EQ(ask("nwildlsearch", file, "case").substr(0, 46),
            "error: regular expression error in key \"^(brok");
  EXPECT_EQ(ask("nwildlsearch,ret=full", file, "literal"), "=literal: lit");
}

TEST_F(TextFiles, WildKeysThatAskThemselvesEnd) {
  const std::string file = directory_.path() + "/loop";
  directory_.write("loop", "nwildlsearch;" + file + ": x\n");
  EXPECT_EQ(ask("nwildlsearch", file, "a"),
            "error: lookups in keys of lookups are nested too deep");
}

TEST_F(TextFiles, WildlsearchExpandsItsKeys) {
  struct Upper final : KeyExpander {
    Result<std::string> expand_key(std::string_view text) const override {
      if (text == "bad") return Error(Errc::lookup_deferred, "no such variable");
      return text == "$x" ? std::string("^a+$") : std::string(text);
    }
  };
  const std::string file = directory_.write("wild", "$x: regex\nplain: p\nbad: x\n");
  const Upper expander;
  EXPECT_EQ(text_of(find("wildlsearch", file, "aaa", &expander)), "=regex");
  EXPECT_EQ(text_of(find("wildlsearch", file, "plain", &expander)), "=p");
  EXPECT_EQ(text_of(find("wildlsearch", file, "z", &expander)), "error: no such variable");
  EXPECT_EQ(ask("wildlsearch", file, "a").substr(0, 6), "error:");
}

TEST_F(TextFiles, IplsearchFindsTheFirstNetwork) {
  const std::string file = directory_.write(
      "ip",
      "1.2.3.4: one\n192.168.0.0/16: net\n\"abcd::cdab\": six\n\"abcd:abcd::/32\"   sixnet\n"
      "notip: x\n192.168.1.0/24: later\n*: dflt\n");
  EXPECT_EQ(ask("iplsearch", file, "1.2.3.4"), "=one");
  EXPECT_EQ(ask("iplsearch", file, "192.168.1.4"), "=net");
  EXPECT_EQ(ask("iplsearch", file, "192.168.1.0/24"), "=net");
  EXPECT_EQ(ask("iplsearch", file, "abcd:0::cdab"), "=six");
  EXPECT_EQ(ask("iplsearch", file, "abcd:abcd:0000:0000:0000:0000:0000:0001"), "=sixnet");
  EXPECT_EQ(ask("iplsearch", file, "9.9.9.9"), "none");
  EXPECT_EQ(ask("iplsearch*", file, "9.9.9.9"), "=dflt");
  EXPECT_EQ(ask("iplsearch,ret=full", file, "192.168.3.4"), "=192.168.0.0/16: net");
  EXPECT_EQ(ask("iplsearch", file, "notip").substr(0, 40),
            "error: \"notip\" is not a valid iplsearch ");
}

TEST_F(TextFiles, SayWhyAFileCannotBeRead) {
  EXPECT_EQ(ask("lsearch", "/nonexistent/x", "a"),
            "error: failed to open /nonexistent/x for linear search: No such file or directory");
  EXPECT_EQ(ask("lsearch", "relative", "a"),
            "error: absolute file name expected for \"lsearch\" lookup");
  EXPECT_EQ(ask("lsearch", directory_.path(), "a"),
            "error: failed to open " + directory_.path() + " for linear search: Is a directory");
  const std::string pipe = directory_.path() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(ask("lsearch", pipe, "a"),
            "error: failed to open " + pipe + " for linear search: Invalid argument");
}

TEST_F(TextFiles, SeeEveryChangeOfAFile) {
  const std::string file = directory_.write("f", "a: 1\n");
  EXPECT_EQ(ask("lsearch", file, "a"), "=1");
  directory_.write("f", "a: 2\n");  // same size, perhaps the same time stamp
  EXPECT_EQ(ask("lsearch", file, "a"), "=2");
  directory_.write("g", "a: 3\n");
  std::filesystem::rename(directory_.path() + "/g", file);
  EXPECT_EQ(ask("lsearch", file, "a"), "=3");
  std::filesystem::remove(file);
  EXPECT_EQ(ask("lsearch", file, "a").substr(0, 6), "error:");
  directory_.write("f", "a: 4\n");
  EXPECT_EQ(ask("lsearch", file, "a"), "=4");
}

TEST_F(TextFiles, BigFilesAreReadOnThePoolAndNotWithoutAFiber) {
  std::string text;
  for (int i = 0; i < 20'000; ++i)
    text += "key" + std::to_string(i) + ": " + std::to_string(i) + "\n";
  const std::string file = directory_.write("big", text);
  start();
  LookupProblem problem;
  const std::optional<LookupSpec> spec = parse_lookup_type("lsearch", problem);
  EXPECT_EQ(text_of(set_->find({*spec, file, "key19999"})),
            "error: " + file + " would have to wait, and nothing may wait here");
  EXPECT_EQ(ask("lsearch", file, "KEY19999"), "=19999");
  EXPECT_EQ(ask("lsearch", file, "key20000"), "none");
}

TEST_F(TextFiles, ManyFilesAreForgottenInTurn) {
  LookupSetOptions options;
  options.lookup_open_max = 2;
  start(options);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 5; ++i) {
      const std::string file = directory_.write("f" + std::to_string(i), "k: " + std::to_string(i));
      EXPECT_EQ(ask("lsearch", file, "k"), "=" + std::to_string(i));
    }
  }
}

TEST_F(TextFiles, JsonIsWalkedByAPath) {
  const std::string file = directory_.write(
      "j",
      R"({"a": {"b": [10, {"c": "text \"q\""}, [1,"x"]]}, "n": null, "t": true, "f": 1.5, "o": {"k":1,"l":[]}})");
  EXPECT_EQ(ask("json", file, "a:b:0"), "=10");
  EXPECT_EQ(ask("json", file, "a : b : 1 : c"), "=text \"q\"");
  EXPECT_EQ(ask("json", file, "</a/b/2"), "=[1, \"x\"]");
  EXPECT_EQ(ask("json", file, "o"), "={\"k\": 1, \"l\": []}");
  EXPECT_EQ(ask("json", file, "t"), "=true");
  EXPECT_EQ(ask("json", file, "f"), "=1.5");
  EXPECT_EQ(ask("json", file, "n"), "=");
  EXPECT_EQ(ask("json", file, "a:x"), "none");
  EXPECT_EQ(ask("json", file, "a:b:3"), "none");
  EXPECT_EQ(ask("json", file, "a:b:c"), "none");
  EXPECT_EQ(ask("json", directory_.write("bad", "{"), "a").substr(0, 6), "error:");
  EXPECT_EQ(ask("json", directory_.write("deep", std::string(100'000, '[')), "a").substr(0, 6),
            "error:");
}

TEST_F(TextFiles, DsearchLooksForEntries) {
  const std::string& path = directory_.path();
  directory_.write("file", "");
  std::filesystem::create_directory(path + "/sub");
  ASSERT_EQ(::symlink("nowhere", (path + "/link").c_str()), 0);
  EXPECT_EQ(ask("dsearch", path, "file"), "=file");
  EXPECT_EQ(ask("dsearch,ret=full", path, "file"), "=" + path + "/file");
  EXPECT_EQ(ask("dsearch", path, "link"), "=link");
  EXPECT_EQ(ask("dsearch", path, "absent"), "none");
  EXPECT_EQ(ask("dsearch,filter=file", path, "sub"), "none");
  EXPECT_EQ(ask("dsearch,filter=file", path, "file"), "=file");
  EXPECT_EQ(ask("dsearch,filter=dir", path, "sub"), "=sub");
  EXPECT_EQ(ask("dsearch,filter=dir", path, ".."), "=..");
  EXPECT_EQ(ask("dsearch,filter=subdir", path, ".."), "none");
  EXPECT_EQ(ask("dsearch", path, ".."), "none");
  EXPECT_EQ(ask("dsearch", path, "."), "none");
  EXPECT_EQ(ask("dsearch", path, std::string("file\0x", 6)), "none");
  EXPECT_EQ(ask("dsearch", path, std::string(300, 'x')), "none");
  EXPECT_EQ(ask("dsearch", path, "a/b"), "error: key for dsearch lookup contains a slash: a/b");
  EXPECT_EQ(ask("dsearch", "/nodir", "x"),
            "error: failed to open /nodir for directory search: No such file or directory");
}

TEST_F(TextFiles, PasswdAndTestdbAnswer) {
  EXPECT_EQ(ask("passwd", "root").substr(0, 12), "=*:0:0:root:");
  EXPECT_EQ(ask("passwd", "no-such-user"), "none");
  EXPECT_EQ(ask("testdb", "fail"), "none");
  EXPECT_EQ(ask("testdb", "defer"), "error: testdb lookup forced DEFER");
  EXPECT_EQ(ask("testdb", "x y"), "=x y");
}

TEST_F(TextFiles, AMessageKeepsItsAnswers) {
  start();
  MessageLookups message(&*set_);
  const std::string file = directory_.write("f", "a: 1\n");
  const auto ask_message = [&](std::string_view type, std::string_view key) {
    LookupProblem problem;
    const std::optional<LookupSpec> spec = parse_lookup_type(type, problem);
    return text_of(test::run_task(loop_, run_on_fiber([&] {
                                    return message.find({*spec, file, key});
                                  })));
  };
  EXPECT_EQ(ask_message("lsearch", "a"), "=1");
  EXPECT_EQ(ask_message("lsearch", "b"), "none");
  EXPECT_EQ(ask_message("lsearch*", "b"), "none");
  directory_.write("f", "a: 2\nb: 3\n*: 4\n");
  EXPECT_EQ(ask_message("lsearch", "a"), "=1");
  EXPECT_EQ(ask_message("lsearch", "b"), "none");
  EXPECT_EQ(ask_message("partial-lsearch", "c"), "none");
  EXPECT_EQ(ask_message("lsearch,cache=no_rd", "a"), "=2");
  EXPECT_EQ(ask_message("lsearch,cache=no_wr", "d"), "none");
  EXPECT_EQ(ask_message("lsearch,ret=full", "a"), "=a: 2");
  message.forget();
  EXPECT_EQ(ask_message("lsearch", "a"), "=2");
  EXPECT_EQ(ask_message("lsearch", "b"), "=3");
  EXPECT_EQ(ask_message("lsearch*", "zz"), "=4");
}

}  // namespace
}  // namespace godwit::acl
