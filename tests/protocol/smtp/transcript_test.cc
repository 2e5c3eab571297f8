// Every file of tests/golden/smtp and tests/golden/smtp_client, played line by line, byte by byte
// and as a pipelining peer would send it: the same bytes out, the same events.
#include "generated/source_dir.h"
#include "tests/support/transcript_runner.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace godwit::test {
namespace {

using Player = Played (*)(std::string_view, Cut);

void play_folder(const std::string& folder, Player play, size_t files_min) {
  const std::vector<std::string> paths = golden_files(std::string(GODWIT_SOURCE_DIR) + folder);
  EXPECT_GE(paths.size(), files_min);
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    const std::string wanted = read_text(path);
    const Played whole = play(wanted, Cut::lines);
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      if (!matches(wanted, whole.transcript)) write_text(path, whole.transcript);
    } else {
      EXPECT_TRUE(matches(wanted, whole.transcript)) << whole.transcript;
    }
    if (wanted.find("!only lines\n") != std::string::npos) continue;
    for (const Cut cut : {Cut::bytes, Cut::groups}) {
      // A client that waits for each reply (HELO, or no PIPELINING) sends no groups.
      if (cut == Cut::groups && wanted.find("!only serial\n") != std::string::npos) continue;
      SCOPED_TRACE(cut == Cut::bytes ? "byte by byte" : "in groups");
      const Played again = play(wanted, cut);
      EXPECT_EQ(again.output, whole.output);
      EXPECT_EQ(again.events, whole.events);
    }
  }
}

TEST(Transcript, ServerAnswersTheSameHoweverTheInputIsCut) {
  play_folder("/tests/golden/smtp", play_server, 40);
}

TEST(Transcript, ClientSaysTheSameHoweverTheRepliesAreCut) {
  play_folder("/tests/golden/smtp_client", play_client, 25);
}

}  // namespace
}  // namespace godwit::test
