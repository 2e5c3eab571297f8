// smtp_ratelimit_mail and smtp_ratelimit_rcpt: from some command on, each one waits before it is
// looked at, a little longer than the one before. Pure; the session counts and sleeps.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"

#include <cstdint>
#include <string_view>

namespace godwit::daemon {

// "threshold,delay,factor,longest": after `threshold` commands the first one waits `delay`.
struct CommandBrake {
  uint32_t threshold = 0;
  double delay_ms = 0;
  double factor = 1;
  double longest_ms = 0;
};
// Errors: config.
Result<CommandBrake> parse_command_brake(std::string_view text);

// How long the command with this number (1 is the first) waits.
Millis brake_delay(const CommandBrake& brake, uint32_t number) noexcept;

}  // namespace godwit::daemon
