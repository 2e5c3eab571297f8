// A hostile proxy: the negotiation says the same however its bytes are cut, and ends.
#include "core/base/assert.h"
#include "protocol/socks/client_negotiation.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using godwit::socks::ClientNegotiation;

std::string play(std::string_view input, size_t piece, bool with_name) {
  ClientNegotiation negotiation(
      {{*godwit::IpAddress::parse("192.0.2.1"), 25}, with_name, "me", "secret"});
  std::string said;
  for (size_t at = 0; at < input.size(); at += piece) {
    negotiation.receive(input.substr(at, piece));
    said += negotiation.take_output();
  }
  GODWIT_ASSERT(negotiation.problem().empty() ==
                (negotiation.state() != ClientNegotiation::State::failed));
  return said + negotiation.problem() + negotiation.take_rest();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool with_name = (data[0] & 1) != 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = play(input, size, with_name);
  const std::string cut = play(input, 1, with_name);
  GODWIT_ASSERT(whole == cut);
  return 0;
}
