// What is shown of a body does not depend on how it is cut into pieces, and is never too long.
#include "core/base/assert.h"
#include "protocol/message/body_ends.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

using godwit::message::BodyEnds;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const int64_t visible = data[0];
  const size_t piece = std::max<size_t>(data[1], 1);
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  BodyEnds whole(visible);
  whole.feed(body);
  BodyEnds cut(visible);
  for (size_t at = 0; at < body.size(); at += piece) cut.feed(body.substr(at, piece));
  for (const bool newlines : {false, true}) {
    GODWIT_ASSERT(whole.start(newlines) == cut.start(newlines));
    GODWIT_ASSERT(whole.end(newlines) == cut.end(newlines));
    GODWIT_ASSERT(whole.start(newlines).size() <= static_cast<size_t>(visible));
    GODWIT_ASSERT(whole.end(newlines).size() <= static_cast<size_t>(visible));
  }
  return 0;
}
