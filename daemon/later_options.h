// Warnings of options that a file sets and that are read and checked, but do nothing: not yet, or
// not in this program. For -bV.
#pragma once

#include "core/config/diagnostics.h"
#include "core/config/document.h"

namespace godwit::daemon {

void warn_of_later_options(const config::ConfigDocument& document,
                           config::Diagnostics& diagnostics);

}  // namespace godwit::daemon
