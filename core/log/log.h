// Log events: one event is one line of Exim's main, reject or panic log, and one JSON object where
// that stream is wanted. Call sites say what happened; LogFormatter makes the bytes; a LogSink
// moves them without blocking anybody.
#pragma once

#include "core/base/time.h"

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace godwit {

// Which files get the line: a set. Exim writes a rejection to the main and the reject log.
enum class LogFiles : uint8_t {
  main = 1,
  reject = 2,
  main_and_reject = 3,
  panic = 4,
  main_and_panic = 5
};
constexpr bool contains(LogFiles set, LogFiles file) noexcept {
  return (static_cast<unsigned>(set) & static_cast<unsigned>(file)) != 0;
}

enum class LogEvent : uint8_t {
  // The order is the order of the rows in event_table.cc.
  arrival,
  delivery,
  delivery_extra,
  deferral,
  failure,
  completed,
  frozen,
  thawed,
  removed,
  rejected,
  connection,
  connection_lost,
  protocol_error,
  queue_run,
  daemon,
  spool,
  configuration,
  note,
};

struct LogEventRow {
  LogEvent event;
  std::string_view name;  // "event" of the JSON stream
  std::string_view help;
};
std::span<const LogEventRow> log_event_rows() noexcept;

// Only the JSON stream shows fields; the text has them in Exim's own form.
struct LogField {
  std::string_view name;
  std::string_view value;
};

struct LogRecord {
  LogEvent event = LogEvent::note;
  LogFiles files = LogFiles::main;
  std::string_view message_id;  // empty where the line is about no message
  std::string_view text;        // what follows the time and the id; control characters get escaped
  std::span<const LogField> fields;
  // What the reject log has beneath the line, in lines that end with LF: envelope and header
  // section of what was refused (log_selector +rejected_header).
  std::string_view rejected_header = {};
};

class Log {
 public:
  virtual ~Log() = default;
  virtual void write(const LogRecord& record) = 0;
  // True where somebody reads the JSON stream, so that fields are worth collecting.
  virtual bool wants_fields() const noexcept = 0;

  void main(LogEvent event, std::string_view message_id, std::string_view text,
            std::initializer_list<LogField> fields = {}) {
    write({event, LogFiles::main, message_id, text, {fields.begin(), fields.size()}, {}});
  }
  void panic(LogEvent event, std::string_view message_id, std::string_view text) {
    write({event, LogFiles::main_and_panic, message_id, text, {}, {}});
  }
};

struct LogStyle {
  bool utc = false;           // log_timezone, timezone = UTC
  bool show_zone = false;     // log_timezone: " +0100" after the time
  bool milliseconds = false;  // log_selector +millisec
  bool pid = false;           // log_selector +pid
};

// What a line shows beside its text; the main log shows all of it, as far as the style asks.
struct LogLineParts {
  bool time = true;
  bool pid = true;
  bool id = true;
};

// Makes lines. Keeps the last second's text, since most lines share it.
class LogFormatter {
 public:
  LogFormatter(LogStyle style, int process_id) : style_(style), process_id_(process_id) {}

  // "2026-11-21 04:30:00 1abcde-... text\n"
  void append_line(std::string& out, const LogRecord& record, WallTime at, LogLineParts parts = {});
  // {"time":"...","event":"arrival","id":"...","text":"...",...}\n
  void append_json(std::string& out, const LogRecord& record, WallTime at) const;

 private:
  void append_time(std::string& out, WallTime at);

  LogStyle style_;
  int process_id_;
  int64_t cached_second_ = -1;
  std::string cached_text_;
};

// `text` as the inside of a JSON string (RFC 8259 7). Bytes that are no UTF-8 become U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace godwit
