// A redirection list, as an alias file or a .forward says it.
#include "delivery/route/redirect_list.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const godwit::delivery::RedirectList list = godwit::delivery::parse_redirect_list(input);
  godwit::delivery::redirect_special_name(list.special);
  // Every item is a part of the text; none is made of nothing.
  for (const godwit::delivery::RedirectItem& item : list.items) {
    if (item.kind == godwit::delivery::RedirectItemKind::problem) continue;
    if (item.text.size() > input.size() + 2) __builtin_trap();
  }
  return 0;
}
