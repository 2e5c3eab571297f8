// The tables behind main_option_rows(), one a group of options.
#pragma once

#include "core/config/main_options.h"

#include <span>

namespace godwit::config {

std::span<const OptionRow<MainOptions>> acl_option_rows() noexcept;
std::span<const OptionRow<MainOptions>> smtp_option_rows() noexcept;
std::span<const OptionRow<MainOptions>> tls_option_rows() noexcept;
std::span<const OptionRow<MainOptions>> network_option_rows() noexcept;
std::span<const OptionRow<MainOptions>> delivery_option_rows() noexcept;
std::span<const OptionRow<MainOptions>> message_option_rows() noexcept;
std::span<const OptionRow<MainOptions>> process_option_rows() noexcept;
std::span<const OptionRow<MainOptions>> lookup_option_rows() noexcept;

}  // namespace godwit::config
