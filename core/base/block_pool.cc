#include "core/base/block_pool.h"

namespace godwit {

constinit thread_local BlockPool BlockPool::mine_;

}  // namespace godwit
