#include "core/base/block_pool.h"

namespace godwit {
namespace {

// Kept blocks would hide a use after free from AddressSanitizer.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kIsWatched = true;
#elif defined(__has_feature)
constexpr bool kIsWatched = __has_feature(address_sanitizer);
#else
constexpr bool kIsWatched = false;
#endif

}  // namespace

constinit thread_local BlockPool BlockPool::mine_(!kIsWatched);

}  // namespace godwit
