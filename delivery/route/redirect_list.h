// Redirection lists: what an alias or a .forward file says. Pure text, from outside; reading
// included files and what an item means for an address are redirect_router.cc's affair.
// EXIM.md 2.7. Errors are problems of items, never of the whole.
#pragma once

#include "delivery/route/router.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

inline constexpr size_t kRedirectItemsMax = 100'000;
inline constexpr size_t kRedirectBytesMax = 16u << 20;
inline constexpr int kIncludeDepthMax = 20;

enum class RedirectItemKind : uint8_t { address, pipe, file, directory, include, problem };

struct RedirectItem {
  RedirectItemKind kind = RedirectItemKind::address;
  std::string text;         // address, command without "|", path; of a problem: the item
  bool has_domain = false;  // of addresses
  bool escaped = false;     // began with a backslash: qualified with the incoming domain
  std::string problem;
};

enum class RedirectSpecial : uint8_t { none, blackhole, defer, fail, unknown };

struct RedirectList {
  std::vector<RedirectItem> items;
  // Applies to the whole redirection, whatever items there are.
  RedirectSpecial special = RedirectSpecial::none;
  std::string message;  // after :fail: and :defer:
};

RedirectList parse_redirect_list(std::string_view text);
// ":fail:" and so on, as it is written.
std::string_view redirect_special_name(RedirectSpecial special) noexcept;

}  // namespace godwit::delivery
