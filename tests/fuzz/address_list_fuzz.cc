// Address lists: places stay inside the text, and each address that was found is one by itself.
#include "core/base/assert.h"
#include "protocol/message/address_list.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit::message;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto list = parse_address_list(text, Utf8::allowed);
  if (!list) return 0;
  for (const ListedAddress& item : list->addresses) {
    GODWIT_ASSERT(item.item_offset + item.item_bytes <= size);
    GODWIT_ASSERT(item.spec_offset + item.spec_bytes <= size);
    if (item.address.empty()) continue;
    const auto again = parse_address(item.address, Utf8::allowed, false);
    GODWIT_ASSERT(again.has_value());
    GODWIT_ASSERT(again->address == item.address);
  }
  return 0;
}
