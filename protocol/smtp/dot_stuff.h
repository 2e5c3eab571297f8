// DotStuffer: a message on its way out through DATA (RFC 5321 4.5.2), as a gather list.
// Takes wire-format pieces cut anywhere and yields segments that point into them or to constant
// text; the body is not copied. Never emits a bare CR or LF: each becomes a CRLF, so that no
// next hop can see a line where we saw none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::smtp {

class DotStuffer {
 public:
  // `canonical`: the caller knows that every CR and LF is part of a CRLF (what DataStream took with
  // BareLineEnds::reject or replace); only line starts are looked at then.
  explicit DotStuffer(bool canonical = false) noexcept : canonical_(canonical) {}

  // Appends the segments of the next piece.
  void take(std::string_view piece, std::vector<std::string_view>& segments);
  // Ends an open line, and the message with ".\r\n".
  void finish(std::vector<std::string_view>& segments);

 private:
  void take_canonical(std::string_view piece, std::vector<std::string_view>& segments);

  bool canonical_;
  bool line_start_ = true;
  bool cr_pending_ = false;  // a CR was withheld at the end of a piece
};

// True where every CR and LF of the message is part of a CRLF: it may be sent as a chunk as it is.
// A message that is not goes out through DATA, where DotStuffer mends it.
bool is_canonical(std::string_view message) noexcept;

}  // namespace godwit::smtp
