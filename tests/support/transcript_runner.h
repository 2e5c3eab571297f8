// Plays golden SMTP transcripts (tests/golden/smtp, tests/golden/smtp_client) against the engines.
// A transcript is lines: "# comment", "!directive", "C: " what the client sends, "S: " what the
// server sends, "E: " an event that the engine reported. "C> " and "S> " are raw bytes with escapes
// (\r \n \t \0 \\ \xNN) and without a line end; "C& " is sent together with the line that follows.
// One side is input, the other side and the events are checked. A "*" at the end of a checked line
// ignores the rest. UPDATE_GOLDEN=1 rewrites the files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace godwit::test {

// How the input is cut: line by line, byte by byte, or in groups that a pipelining peer would send.
enum class Cut { lines, bytes, groups };

struct Played {
  std::string transcript;  // the whole file as it would be written
  std::string output;      // all that the engine sent
  std::string events;      // all E: lines
};

// Directives: !offer NAMES, !limit NAME VALUE, !policy NAME VALUE, !reply WHAT ADDRESS CODE ESC
// TEXT, !only lines|serial, !greet, !early [TEXT]. See the goldens for examples.
Played play_server(std::string_view transcript, Cut cut);

// Directives: !helo NAME, !set OPTION, !begin KEY=VALUE..., !body TEXT, !starttls,
// !quit, !close, !timeout.
Played play_client(std::string_view transcript, Cut cut);

// Line by line, with "*" at the end of an expected line.
bool matches(std::string_view expected, std::string_view actual);

// Sorted paths of the .txt files of a folder.
std::vector<std::string> golden_files(std::string_view folder);
std::string read_text(const std::string& path);
void write_text(const std::string& path, std::string_view text);

std::string unescape(std::string_view text);

}  // namespace godwit::test
