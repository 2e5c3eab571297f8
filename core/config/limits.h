// Bounds of the configuration reader. An operator who meets one gets a diagnosis that names it.
#pragma once

#include <cstddef>

namespace godwit::config {

inline constexpr size_t kFileBytesMax = 16u << 20;         // one configuration or included file
inline constexpr size_t kIncludeDepthMax = 16;             // files that include each other
inline constexpr size_t kIncludedFilesMax = 1000;          // files read in one run
inline constexpr size_t kPhysicalLineBytesMax = 1u << 20;  // after macro replacement
inline constexpr size_t kLogicalLineBytesMax = 4u << 20;   // after joining continuations
inline constexpr size_t kMacroNameBytesMax = 63;
inline constexpr size_t kMacrosMax = 20'000;
inline constexpr size_t kConditionalDepthMax = 100;  // nested .ifdef
inline constexpr size_t kNameBytesMax = 63;          // option, driver, ACL and list names
inline constexpr size_t kDiagnosticsMax = 200;  // then the run says "too many" and stops adding
inline constexpr size_t kSourceExcerptBytesMax = 160;   // of a source line under a diagnosis
inline constexpr size_t kExpandedBytesMax = 64u << 20;  // all logical lines of one run together

}  // namespace godwit::config
