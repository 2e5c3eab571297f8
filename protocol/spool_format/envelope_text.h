// The text form of an envelope: Exim's -H file (EXIM.md 1.19), for `-Mvh`, for operators' scripts
// and for mail that is handed over in Exim's spool format. LF lines. Pure.
// Not in the text, so lost on the way through it: message_bytes, body_8bit, has_bare_line_ends,
// queue_only. Errors: malformed, with what is wrong; never an assertion, whatever the bytes.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "protocol/spool_format/envelope.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit {

// What changes while a message waits.
struct EnvelopeTextState {
  std::vector<uint32_t> done;            // indexes into Envelope::recipients
  WallTime frozen_at;                    // 0: not frozen
  uint8_t warnings = 0;                  // delay reports that were sent
  std::vector<std::string> others_done;  // non-recipients that are no recipients of the envelope
  bool wire_format = false;              // the -D file has CRLF line ends
};

// `header_section`: in wire format, without the empty line.
std::string envelope_to_text(const Envelope& envelope, const EnvelopeTextState& state,
                             std::string_view header_section);

struct EnvelopeText {
  Envelope envelope;
  EnvelopeTextState state;
  std::string header_section;  // wire format; fields that were marked deleted are left out
};
// All of a -H file, with an id of either length. Names that this version does not know are
// skipped.
Result<EnvelopeText> envelope_from_text(std::string_view text);

}  // namespace godwit
