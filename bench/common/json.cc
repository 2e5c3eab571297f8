#include "bench/common/json.h"

#include "bench/common/histogram.h"

#include <cstdio>

namespace godwit::bench {

void JsonWriter::string(std::string_view key, std::string_view value) {
  begin_value(key);
  quote(value);
}

void JsonWriter::integer(std::string_view key, int64_t value) {
  begin_value(key);
  out_ += std::to_string(value);
}

void JsonWriter::number(std::string_view key, double value) {
  begin_value(key);
  char text[48];
  std::snprintf(text, sizeof text, "%.3f", value);
  out_ += text;
}

void JsonWriter::histogram(std::string_view key, const Histogram& values) {
  begin_object(key);
  integer("count", static_cast<int64_t>(values.count()));
  number("mean", values.mean());
  integer("p50", values.percentile(50));
  integer("p90", values.percentile(90));
  integer("p99", values.percentile(99));
  integer("p99.9", values.percentile(99.9));
  integer("max", values.max());
  end_object();
}

void JsonWriter::open(std::string_view key, char bracket) {
  begin_value(key);
  out_ += bracket;
  needs_comma_ = false;
}

void JsonWriter::close(char bracket) {
  out_ += bracket;
  needs_comma_ = true;
}

void JsonWriter::begin_value(std::string_view key) {
  if (needs_comma_) out_ += ',';
  needs_comma_ = true;
  if (key.empty()) return;
  quote(key);
  out_ += ':';
}

void JsonWriter::quote(std::string_view text) {
  out_ += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out_ += escaped;
    } else {
      out_ += c;
    }
  }
  out_ += '"';
}

}  // namespace godwit::bench
