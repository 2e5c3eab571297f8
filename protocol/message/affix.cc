#include "protocol/message/affix.h"

#include "core/base/ascii.h"

namespace godwit::message {
namespace {

bool has_at(std::string_view text, size_t at, std::string_view part) noexcept {
  return starts_with_ignore_case(text.substr(at), part);
}

}  // namespace

Affix find_prefix(std::string_view local_part, std::span<const std::string> affixes) {
  for (std::string_view affix : affixes) {
    const bool is_wild = affix.starts_with('*');
    if (is_wild) affix.remove_prefix(1);
    if (affix.empty() || local_part.size() < affix.size()) continue;
    if (!is_wild) {
      if (has_at(local_part, 0, affix)) return {true, affix.size(), 0};
      continue;
    }
    for (size_t at = local_part.size() - affix.size() + 1; at > 0; --at) {
      if (has_at(local_part, at - 1, affix)) return {true, at - 1 + affix.size(), at - 1};
    }
  }
  return {};
}

Affix find_suffix(std::string_view local_part, std::span<const std::string> affixes) {
  for (std::string_view affix : affixes) {
    const bool is_wild = affix.ends_with('*');
    if (is_wild) affix.remove_suffix(1);
    if (affix.empty() || local_part.size() < affix.size()) continue;
    if (!is_wild) {
      const size_t at = local_part.size() - affix.size();
      if (at > 0 && has_at(local_part, at, affix)) return {true, affix.size(), 0};
      continue;
    }
    for (size_t at = 0; at + affix.size() <= local_part.size(); ++at) {
      const size_t bytes = local_part.size() - at;
      if (has_at(local_part, at, affix)) return {true, bytes, bytes - affix.size()};
    }
  }
  return {};
}

}  // namespace godwit::message
