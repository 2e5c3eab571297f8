// The machine-readable part of a report: the fields of RFC 3464 2, in Exim's order, with the extra
// ones of EXIM.md 1.12 where a delivery failed.
#pragma once

#include "protocol/report/report.h"

#include <string>

namespace godwit::report {

// The content of the message/delivery-status part: blocks parted by empty lines.
std::string status_part(const ReportFacts& facts);

// RFC 3463 status of one recipient: as given, or as its reply says it where the class fits the
// action, or X.0.0.
std::string recipient_status(const ReportedRecipient& recipient);

}  // namespace godwit::report
