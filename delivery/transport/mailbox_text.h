// MailboxText: a message in wire format becomes the text of a mailbox file: line ends, and lines of
// the body that a reader would take for the start of a message. Pure; fed in chunks of any size.
#pragma once

#include <string>
#include <string_view>

namespace godwit::delivery {

struct MailboxTextOptions {
  bool use_crlf = false;
  std::string check_string;     // a body line that starts so ...
  std::string escape_string;    // ... starts so instead; no check where check_string is empty
  bool checks_headers = false;  // lines of the header section, too
};

class MailboxText {
 public:
  explicit MailboxText(MailboxTextOptions options) : options_(std::move(options)) {}

  // The header section and the empty line after it. Its lines are not checked, as a rule.
  void add_headers(std::string_view wire, std::string& out);
  void add_body(std::string_view wire, std::string& out);
  // A message ends with a line end, whatever came.
  void finish(std::string& out);

 private:
  void add(std::string_view wire, std::string& out);
  void end_line(std::string& out);
  void settle_start(std::string& out, bool is_whole);

  MailboxTextOptions options_;
  bool checks_ = false;
  bool cr_pending_ = false;  // a chunk ended in CR
  bool at_line_start_ = true;
  std::string line_start_;  // held back: so far it is how check_string starts
};

}  // namespace godwit::delivery
