#include "daemon/explain_query.h"

#include "core/base/ascii.h"

namespace godwit::daemon {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!(text = trim_left(text)).empty()) {
    size_t end = 0;
    while (end < text.size() && !is_space(text[end])) ++end;
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

bool is_keyword(std::string_view word) {
  for (const std::string_view known : {"mail", "rcpt", "from", "helo", "ehlo", "data"}) {
    if (equals_ignore_case(word, known)) return true;
  }
  return false;
}

Error wrong(const std::string& text) {
  return Error(Errc::invalid_argument, "--explain: " + text);
}

}  // namespace

Result<ExplainQuery> parse_explain_query(std::string_view text) {
  ExplainQuery out;
  bool has_client = false;
  const std::vector<std::string> words = words_of(text);
  for (size_t at = 0; at < words.size();) {
    const std::string keyword = to_lower(words[at]);
    if (!is_keyword(keyword)) return wrong("\"" + words[at] + "\" is not expected here");
    std::string value;
    for (++at; at < words.size() && !is_keyword(words[at]); ++at)
      value += (value.empty() ? "" : " ") + words[at];
    if (value.empty()) return wrong("something is missing after \"" + keyword + "\"");
    if (keyword == "mail") {
      out.mail = "MAIL " + value;
    } else if (keyword == "rcpt") {
      out.rcpts.push_back("RCPT " + value);
    } else if (keyword == "data") {
      out.data_file = value;
    } else if (keyword == "from") {
      const Result<IpAddress> address = IpAddress::parse(value);
      if (!address) return wrong("\"" + value + "\" is no IP address");
      out.client = *address;
      has_client = true;
    } else {
      out.helo = value;
    }
  }
  if (!has_client) return wrong("which client? Add: from 192.0.2.1");
  if (out.mail.empty()) return wrong("which sender? Add: MAIL FROM:<a@example.org>");
  if (out.rcpts.empty()) return wrong("which recipient? Add: RCPT TO:<b@example.org>");
  if (out.helo.empty()) out.helo = "[" + out.client.to_string() + "]";
  return out;
}

}  // namespace godwit::daemon
