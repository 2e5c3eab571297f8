// -H files of strangers: what can be read is written and read again to the same.
#include "core/base/assert.h"
#include "protocol/spool_format/envelope_text.h"

using namespace godwit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<EnvelopeText> read = envelope_from_text(text);
  if (!read) return 0;
  const std::string written = envelope_to_text(read->envelope, read->state, read->header_section);
  const Result<EnvelopeText> again = envelope_from_text(written);
  GODWIT_ASSERT(again);
  GODWIT_ASSERT(again->envelope.recipients.size() == read->envelope.recipients.size());
  GODWIT_ASSERT(envelope_to_text(again->envelope, again->state, again->header_section) == written);
  return 0;
}
