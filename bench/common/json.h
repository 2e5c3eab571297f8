// JsonWriter: numbers, strings, objects and arrays into a string. The caller keeps the nesting
// right; commas are put where they belong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::bench {

class Histogram;

class JsonWriter {
 public:
  // `key` is empty inside an array and for the outermost value.
  void begin_object(std::string_view key = {}) { open(key, '{'); }
  void end_object() { close('}'); }
  void begin_array(std::string_view key) { open(key, '['); }
  void end_array() { close(']'); }
  void string(std::string_view key, std::string_view value);
  void integer(std::string_view key, int64_t value);
  // Three digits after the point.
  void number(std::string_view key, double value);
  // {"count":..,"mean":..,"p50":.. "p90" "p99" "p99.9" "max"}, microseconds.
  void histogram(std::string_view key, const Histogram& values);

  const std::string& text() const noexcept { return out_; }

 private:
  void open(std::string_view key, char bracket);
  void close(char bracket);
  void begin_value(std::string_view key);
  void quote(std::string_view text);

  std::string out_;
  bool needs_comma_ = false;
};

}  // namespace godwit::bench
