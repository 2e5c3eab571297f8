// Every log event: one row.
#include "core/log/log.h"

#include <array>

namespace godwit {
namespace {

// clang-format off
constexpr std::array kRows{
    //          event                      name               help
    LogEventRow{LogEvent::arrival,         "arrival",         "<= a message was accepted and is on disk"},
    LogEventRow{LogEvent::delivery,        "delivery",        "=> a recipient was delivered"},
    LogEventRow{LogEvent::delivery_extra,  "delivery_extra",  "-> a further recipient of the same delivery"},
    LogEventRow{LogEvent::deferral,        "deferral",        "== a recipient must be tried again"},
    LogEventRow{LogEvent::failure,         "failure",         "** a recipient failed for good"},
    LogEventRow{LogEvent::completed,       "completed",       "the message has no recipient left"},
    LogEventRow{LogEvent::frozen,          "frozen",          "a message was frozen"},
    LogEventRow{LogEvent::thawed,          "thawed",          "a message was unfrozen"},
    LogEventRow{LogEvent::removed,         "removed",         "an operator or a timeout removed a message"},
    LogEventRow{LogEvent::rejected,        "rejected",        "a command or a message was refused"},
    LogEventRow{LogEvent::connection,      "connection",      "a client connected, closed, or was turned away"},
    LogEventRow{LogEvent::connection_lost, "connection_lost", "a client went away or fell silent"},
    LogEventRow{LogEvent::protocol_error,  "protocol_error",  "a client broke the rules of SMTP"},
    LogEventRow{LogEvent::queue_run,       "queue_run",       "a queue run started or ended"},
    LogEventRow{LogEvent::daemon,          "daemon",          "the daemon or a worker started, reloaded, ended"},
    LogEventRow{LogEvent::spool,           "spool",           "the spool recovered, failed or was mended"},
    LogEventRow{LogEvent::configuration,   "configuration",   "something in the configuration failed at run time"},
    LogEventRow{LogEvent::note,            "note",            "anything else"},
};
// clang-format on

consteval bool rows_are_in_order() {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].event) != i) return false;
  }
  return kRows.size() == static_cast<size_t>(LogEvent::note) + 1;
}
static_assert(rows_are_in_order());

}  // namespace

std::span<const LogEventRow> log_event_rows() noexcept {
  return kRows;
}

}  // namespace godwit
