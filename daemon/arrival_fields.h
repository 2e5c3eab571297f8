// The end of "<=" lines: what the main log tells of a message's header section and envelope. Used
// by SMTP sessions and by submission from the command line.
#pragma once

#include "core/config/log_selector.h"
#include "protocol/message/header_scan.h"
#include "protocol/spool_format/envelope.h"

#include <span>
#include <string>
#include <string_view>

namespace godwit::daemon {

struct ArrivalFacts {
  std::string_view head;  // the header section
  std::span<const message::FieldPlace> fields;
  bool made_message_id = false;  // there was none
  std::string_view sender;
  std::span<const EnvelopeRecipient> recipients;
};

// " id=... T="..." from <...> for ...", as far as selected.
std::string arrival_fields(const ArrivalFacts& facts, const config::LogSelectors& selectors);

}  // namespace godwit::daemon
