// The table of open files of this process.
#pragma once

#include "core/base/result.h"

#include <cstddef>

namespace godwit {

// Makes room in the table for `count` descriptors, or for as many as the process may open. To be
// called while there is one thread: with several, Linux lets whoever opens the file that does not
// fit (the 256th, 512th, 1,024th ...) wait until every processor has left the old table, which is
// 7 to 40 ms of a loop's turn each time. Costs 8 bytes of the kernel's memory for each.
Result<void> reserve_descriptors(size_t count);

}  // namespace godwit
