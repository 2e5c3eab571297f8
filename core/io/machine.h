// Machine: how busy this machine is and how much room its disks have, as a collaborator. Answers
// are kept for a moment, so that asking for every message costs nothing.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/io/clock.h"

#include <cstdint>
#include <map>
#include <string>

namespace godwit {

struct DiskRoom {
  int64_t kilobytes = 0;  // what an unprivileged process may still use
  int64_t inodes = -1;    // -1: the file system does not count them
};

class Machine {
 public:
  virtual ~Machine() = default;
  // The load average of the last minute, in thousandths; -1 where it is not known.
  virtual int64_t load_thousandths() = 0;
  virtual Result<DiskRoom> room(const std::string& path) = 0;
};

class SystemMachine final : public Machine {
 public:
  explicit SystemMachine(const Clock& clock) : clock_(clock) {}
  int64_t load_thousandths() override;
  Result<DiskRoom> room(const std::string& path) override;

 private:
  static constexpr Millis kKept{1000};
  struct Known {
    Instant at;
    DiskRoom room;
  };

  const Clock& clock_;
  Instant load_at_{INT64_MIN / 2};
  int64_t load_ = -1;
  std::map<std::string, Known> rooms_;  // of the few directories that are asked for
};

}  // namespace godwit
