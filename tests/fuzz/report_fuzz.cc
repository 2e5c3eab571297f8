// Reports whose every fact is hostile: the result is always legal on the wire and its boundary
// stands only where we put it.
#include "core/base/assert.h"
#include "protocol/report/limits.h"
#include "protocol/report/report.h"

#include <array>

using namespace godwit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.empty()) return 0;
  std::array<std::string_view, 12> facts{};
  std::string_view left = bytes.substr(1);
  for (std::string_view& fact : facts) {
    const size_t end = left.find('\x1e');
    fact = left.substr(0, end);
    left = end == std::string_view::npos ? std::string_view() : left.substr(end + 1);
  }
  report::ReportFacts report;
  report.kind = static_cast<report::ReportKind>(data[0] % 3);
  report.smtputf8 = (data[0] & 0x40) != 0;
  report.returns_body = (data[0] & 0x80) != 0;
  report.message_id = "1wAbCd-00000000abc-0001";
  report.from = facts[0];
  report.to = facts[1];
  report.reply_to = facts[2];
  report.original_headers = facts[3];
  report.original_body = facts[4];
  report.original_envid = facts[5];
  report.custom_text = facts[6];
  report.utc = true;
  report::ReportedRecipient& recipient = report.recipients.emplace_back();
  recipient.action = static_cast<report::Action>((data[0] >> 2) % 5);
  recipient.address = facts[7];
  recipient.orcpt = facts[8];
  recipient.text = facts[9];
  recipient.reply = facts[10];
  recipient.greeting = facts[11];
  recipient.remote_name = facts[7];

  const report::ReportText made = report::make_report(report);
  const std::string text = made.headers + "\r\n" + made.body;
  GODWIT_ASSERT(made.headers.find("\r\n\r\n") == std::string::npos);
  size_t line = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    GODWIT_ASSERT(text[at] != '\0');
    GODWIT_ASSERT(text[at] != '\n' || (at > 0 && text[at - 1] == '\r'));
    if (text[at] != '\r') continue;
    GODWIT_ASSERT(at + 1 < text.size() && text[at + 1] == '\n');
    GODWIT_ASSERT(at - line <= report::kLineBytesMax);
    line = at + 2;
  }
  return 0;
}
