#include "delivery/route/redirect_list.h"

#include "protocol/message/affix.h"

#include <gtest/gtest.h>

#include <array>

namespace godwit::delivery {
namespace {

// "address:a@b pipe:/bin/cat problem:..." of a list, and what is special about it.
std::string shown(std::string_view text) {
  constexpr std::array kNames{"address", "pipe", "file", "directory", "include", "problem"};
  const RedirectList list = parse_redirect_list(text);
  std::string out;
  for (const RedirectItem& item : list.items) {
    if (!out.empty()) out += ' ';
    out += std::string(item.escaped ? "\\" : "") + kNames[static_cast<size_t>(item.kind)] + "=" +
           item.text;
  }
  if (list.special != RedirectSpecial::none)
    out += std::string(redirect_special_name(list.special)) + list.message;
  return out;
}

struct ListCase {
  std::string_view text, want;
};
constexpr std::array kCases{
    ListCase{"", ""},
    ListCase{" a , b@c.test\n\nd", "address=a address=b@c.test address=d"},
    ListCase{"# all\na, # b, c\nd", "address=a address=d"},
    ListCase{"\"|/bin/x a,b\", /file, /dir/", "pipe=/bin/x a,b file=/file directory=/dir/"},
    ListCase{"|/bin/x a", "pipe=/bin/x a"},
    ListCase{"/s=molari/o=babylon/@x400gate.way", "address=/s=molari/o=babylon/@x400gate.way"},
    ListCase{"\\me", "\\address=me"},
    ListCase{"\\me@x.test", "address=me@x.test"},
    ListCase{":include:/lists/one, x", "include=/lists/one address=x"},
    ListCase{"a, :fail: gone, for good\nmore", "address=a:fail:gone, for good"},
    ListCase{":BLACKHOLE:", ":blackhole:"},
    ListCase{":defer:", ":defer:"},
    ListCase{":unknown: x", ":unknown:x"},
    ListCase{"Joe <joe@x.test>, (c) y", "address=joe@x.test address=y"},
    ListCase{"a@@b, c", "problem=a@@b address=c"},
    ListCase{"\"a b\"@x.test", "address=\"a b\"@x.test"},
};

TEST(RedirectList, ItemsAreWhatTheManualSays) {
  for (const ListCase& c : kCases) EXPECT_EQ(shown(c.text), c.want) << c.text;
}

struct AffixCase {
  std::string_view local_part;
  config::PlainList affixes;
  bool found;
  size_t bytes, wild;
};

TEST(Affix, PrefixesAndSuffixesMayHaveAWildPart) {
  const std::array prefixes{
      AffixCase{"owner-x", {"owner-"}, true, 6, 0},
      AffixCase{"OWNER-x", {"owner-"}, true, 6, 0},
      AffixCase{"x", {"owner-"}, false, 0, 0},
      AffixCase{"a-real-b-real-x", {"*-real-"}, true, 14, 8},
      AffixCase{"real-x", {"own-", "real-"}, true, 5, 0},
  };
  for (const AffixCase& c : prefixes) {
    const message::Affix got = message::find_prefix(c.local_part, c.affixes);
    EXPECT_EQ(got.found, c.found) << c.local_part;
    EXPECT_EQ(got.bytes, c.bytes) << c.local_part;
    EXPECT_EQ(got.wild_bytes, c.wild) << c.local_part;
  }
  const std::array suffixes{
      AffixCase{"x-request", {"-request"}, true, 8, 0},
      AffixCase{"-request", {"-request"}, false, 0, 0},
      AffixCase{"x+a+b", {"+*"}, true, 4, 3},
      AffixCase{"x", {"+*"}, false, 0, 0},
  };
  for (const AffixCase& c : suffixes) {
    const message::Affix got = message::find_suffix(c.local_part, c.affixes);
    EXPECT_EQ(got.found, c.found) << c.local_part;
    EXPECT_EQ(got.bytes, c.bytes) << c.local_part;
    EXPECT_EQ(got.wild_bytes, c.wild) << c.local_part;
  }
}

}  // namespace
}  // namespace godwit::delivery
