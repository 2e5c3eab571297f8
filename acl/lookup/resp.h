// The protocol of Redis (RESP2): commands to bytes, bytes to replies. Pure. Replies come flat, as a
// lookup wants them: the elements of an array, and of arrays in it, on lines of their own.
#pragma once

#include "acl/lookup/limits.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

struct RespReply {
  enum class Kind : uint8_t { text, integer, nil, error, array };
  Kind kind = Kind::text;
  std::string text;  // an integer in decimal
  bool operator==(const RespReply&) const = default;
};

class RespReader {
 public:
  void feed(std::string_view bytes);
  // The next complete reply; nothing where more bytes are needed, or after an error.
  std::optional<RespReply> next();
  // What came is no reply, or over a bound: nothing more can be read.
  bool has_failed() const noexcept { return failed_; }

 private:
  enum class Step : uint8_t { more, done, failed };
  Step take_item();
  bool take_line(std::string_view& line);
  void add_leaf(RespReply::Kind kind, std::string_view text);
  Step take_bulk(std::string_view length);
  Step begin_array(std::string_view length);
  // An element is complete: leaves the arrays that are full with it.
  Step leave_full_arrays();

  static constexpr size_t kDepthMax = 1 + kRedisNestingMax;
  std::string buffer_;
  size_t at_ = 0;  // where the unread begins
  RespReply reply_;
  bool has_leaf_ = false;
  size_t depth_ = 0;
  std::array<uint64_t, kDepthMax> left_{};  // elements that each open array still wants
  bool failed_ = false;
};

void append_resp_command(std::string& out, const std::vector<std::string>& words);
// The words of a command: white space separates, a backslash protects the next character.
std::vector<std::string> split_redis_command(std::string_view query);

}  // namespace godwit::acl
