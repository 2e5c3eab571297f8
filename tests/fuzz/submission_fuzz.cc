// Messages from standard input: the result is wire format, has no Bcc (of the sending it is about),
// and its header section is one that the scanner reads to its end.
#include "core/base/assert.h"
#include "protocol/message/header_scan.h"
#include "protocol/message/submission.h"

#include <cstdint>

using namespace godwit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  message::SubmissionOptions options;
  options.dot_ends = (data[0] & 1) != 0;
  options.recipients_from_headers = (data[0] & 2) != 0;
  options.is_trusted = (data[0] & 4) != 0;
  options.allows_utf8 = (data[0] & 8) != 0;
  if (!options.recipients_from_headers) options.arguments = {"bob@b.test"};
  options.login = "ann";
  options.full_name = "Ann";
  options.qualify_domain = "q.test";
  options.message_id_domain = "mx.test";
  options.utc = true;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Result<message::Submission> made = message::prepare_submission(input, options);
  if (!made) return 0;
  GODWIT_ASSERT(!made->recipients.empty() || !made->bad_recipients.empty());
  message::HeaderScanner scanner;
  const std::string text = made->headers + "\r\n" + made->body;
  scanner.feed(text);
  scanner.finish();
  GODWIT_ASSERT(scanner.header_bytes() == made->headers.size());
  GODWIT_ASSERT(scanner.has_resent() || scanner.has(message::FieldKind::from));
  const bool is_resent = scanner.has_resent();
  const auto bcc = is_resent ? message::FieldKind::resent_bcc : message::FieldKind::bcc;
  if (options.recipients_from_headers) GODWIT_ASSERT(!scanner.has(bcc));
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\n') GODWIT_ASSERT(at > 0 && text[at - 1] == '\r');
    if (text[at] == '\r') GODWIT_ASSERT(at + 1 < text.size() && text[at + 1] == '\n');
  }
  return 0;
}
