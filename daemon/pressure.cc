#include "daemon/pressure.h"

#include <array>
#include <cstdio>

namespace godwit::daemon {

std::string Pressure::load_text(int64_t thousandths) {
  std::array<char, 32> text;
  const int n =
      std::snprintf(text.data(), text.size(), "%.2f", static_cast<double>(thousandths) / 1000.0);
  return std::string(text.data(), static_cast<size_t>(n));
}

int64_t Pressure::load_over(config::Fixed limit, std::string_view option, acl::Trace* trace) {
  if (limit.thousandths < 0) return -1;
  const int64_t load = machine_.load_thousandths();
  if (trace != nullptr) trace->event({acl::TraceKind::load, {}, option, load_text(load), {}});
  return load > limit.thousandths ? load : -1;
}

bool Pressure::has_room_in(const std::string& directory, std::string_view what, Wanted wanted,
                           uint64_t reserved) {
  if (wanted.kilobytes <= 0 && wanted.inodes <= 0) return true;
  const Result<DiskRoom> room = machine_.room(directory);
  if (!room) return true;  // what cannot be measured is found out by writing
  const int64_t kilobytes = room->kilobytes + static_cast<int64_t>(reserved / 1024);
  const bool is_full =
      kilobytes < wanted.kilobytes || (room->inodes >= 0 && room->inodes < wanted.inodes);
  if (!is_full) return true;
  log_.main(LogEvent::spool, "",
            std::string(what) + " directory space check failed: space=" +
                std::to_string(kilobytes) + " inodes=" + std::to_string(room->inodes));
  return false;
}

bool Pressure::has_room(uint64_t bytes, uint64_t reserved) {
  const config::MainOptions& options = config_.options();
  const uint64_t declared = options.smtp_check_spool_space ? bytes : 0;
  const Wanted spool{options.check_spool_space / 1024 + static_cast<int64_t>(declared / 1024),
                     options.check_spool_inodes};
  const Wanted log{options.check_log_space / 1024, options.check_log_inodes};
  const std::string& log_directory = config_.facts.log_directory;
  return has_room_in(config_.spool_directory, "spool", spool, reserved) &&
         (log_directory.empty() || has_room_in(log_directory, "log", log, 0));
}

std::string Pressure::why_queued(int64_t connections, uint64_t messages, acl::Trace* trace) {
  const config::MainOptions& options = config_.options();
  const int64_t accept_queue = options.smtp_accept_queue;
  const int64_t per_connection = options.smtp_accept_queue_per_connection;
  const int64_t load = load_over(options.queue_only_load, "queue_only_load", trace);
  std::string why;
  if (accept_queue > 0 && connections > accept_queue) {
    why = "too many connections (" + std::to_string(connections) + ", max " +
          std::to_string(accept_queue) + ")";
  } else if (per_connection > 0 && messages >= static_cast<uint64_t>(per_connection)) {
    why = "more than " + std::to_string(per_connection) + " messages received in one connection";
  } else if (load >= 0) {
    why = "load average " + load_text(load);
  } else {
    return {};
  }
  return "no immediate delivery: " + why;
}

}  // namespace godwit::daemon
