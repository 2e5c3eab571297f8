#include "core/log/log.h"

#include "core/base/ascii.h"

#include <array>
#include <cstdio>

namespace godwit {
namespace {

// Length of the UTF-8 sequence at the start of `text`, or 0 where there is none (RFC 3629).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i, unsigned low, unsigned high) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1, 0x80, 0xbf) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned low = first == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = first == 0xed ? 0x9f : 0xbf;
    return continues(1, low, high) && continues(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned low = first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = first == 0xf4 ? 0x8f : 0xbf;
    const bool whole =
        continues(1, low, high) && continues(2, 0x80, 0xbf) && continues(3, 0x80, 0xbf);
    return whole ? 4 : 0;
  }
  return 0;
}

// Appends `text` with control characters escaped; most texts have none and are appended whole.
void append_escaped(std::string& out, std::string_view text) {
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += escape_control(text);
      return;
    }
  }
  out += text;
}

}  // namespace

void LogFormatter::append_time(std::string& out, WallTime at) {
  if (at.seconds() != cached_second_) {
    cached_second_ = at.seconds();
    cached_text_ = format_log_time(at, style_.utc);
  }
  out += cached_text_;
  if (style_.milliseconds) {
    std::array<char, 8> fraction;
    const auto millis = static_cast<int>(at.micros / 1000 % 1000);
    out.append(fraction.data(), static_cast<size_t>(std::snprintf(fraction.data(), fraction.size(),
                                                                  ".%03d", millis)));
  }
  if (style_.show_zone) {
    const std::string whole = format_rfc5322_time(at, style_.utc);
    out.append(whole, whole.size() - 6);
  }
  out += ' ';
}

void LogFormatter::append_line(std::string& out, const LogRecord& record, WallTime at,
                               LogLineParts parts) {
  if (parts.time) append_time(out, at);
  if (style_.pid && parts.pid) {
    out += '[';
    out += std::to_string(process_id_);
    out += "] ";
  }
  if (!record.message_id.empty() && parts.id) {
    out += record.message_id;
    out += ' ';
  }
  append_escaped(out, record.text);
  out += '\n';
}

void LogFormatter::append_json(std::string& out, const LogRecord& record, WallTime at) const {
  const auto member = [&out](std::string_view name, std::string_view value) {
    out += ",\"";
    out += name;
    out += "\":\"";
    append_json_escaped(out, value);
    out += '"';
  };
  std::array<char, 40> time;
  const auto millis = static_cast<int>(at.micros / 1000 % 1000);
  std::string utc = format_log_time(at, true);
  utc[10] = 'T';
  const int n = std::snprintf(time.data(), time.size(), "%s.%03dZ", utc.c_str(), millis);
  out += "{\"time\":\"";
  out.append(time.data(), static_cast<size_t>(n));
  out += '"';
  member("event", log_event_rows()[static_cast<size_t>(record.event)].name);
  if (!record.message_id.empty()) member("id", record.message_id);
  for (const LogField& field : record.fields) member(field.name, field.value);
  member("text", record.text);
  if (!record.rejected_header.empty()) member("rejected_header", record.rejected_header);
  out += ",\"pid\":";
  out += std::to_string(process_id_);
  out += "}\n";
}

void append_json_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text.front();
    } else if (byte < 0x20) {
      std::array<char, 8> code;
      out.append(code.data(),
                 static_cast<size_t>(std::snprintf(code.data(), code.size(), "\\u%04x", byte)));
    } else {
      const size_t length = utf8_length(text);
      if (length == 0) {
        out += "\xef\xbf\xbd";
      } else {
        out += text.substr(0, length);
      }
      text.remove_prefix(length == 0 ? 1 : length);
      continue;
    }
    text.remove_prefix(1);
  }
}

}  // namespace godwit
