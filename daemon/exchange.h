// Exchange: mail that is handed over in Exim's spool format. Pairs <id>-H and <id>-D in input/ of
// the spool directory, or in its folders of one character (split_spool_directory), become messages
// of our store, each exactly once. EXIM.md 1.14, 1.19. Used by worker 0: settle() before its queue
// starts, take_in() every now and then. A pair is claimed by renaming its header file before the
// message is committed, and removed after; what a crash leaves in between settle() finishes. Half
// pairs, files with several names and files that have just changed wait. What is malformed stays
// for keep_malformed, and is logged once.
#pragma once

#include "core/io/loop.h"
#include "core/log/log.h"
#include "core/spool/store.h"
#include "daemon/server_config.h"
#include "delivery/queue/queue.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace godwit::daemon {

inline constexpr Seconds kExchangeInterval{3};

class Exchange {
 public:
  // All outlive it.
  Exchange(Loop& loop, const ServerConfig& config, spool::Store& store, delivery::Queue& queue,
           Log& log)
      : loop_(loop), config_(config), store_(store), queue_(queue), log_(log) {}

  // Makes the folder where it is missing; finishes or undoes what was begun before a crash.
  Task<void> settle();
  // Takes in all whole pairs. One call at a time; others return at once.
  Task<void> take_in();
  // No further pair; is_busy() until the one under way is done.
  void stop() noexcept { is_stopping_ = true; }
  bool is_busy() const noexcept { return is_busy_; }

  struct Pair {
    std::string folder;
    message::MessageId id;
    WallTime changed;  // the later of its two files
    bool is_claimed = false;
    bool is_whole = false;  // both files are there, quiet, and ours alone
  };

 private:
  Task<void> take(const Pair& pair);
  Task<Result<void>> store_pair(const Pair& pair);
  void refuse(const Pair& pair, const Error& error);
  Task<void> remove_malformed(const Pair& pair);
  void tell_once(const Pair& pair, const std::string& text, LogFiles files);
  std::string folder() const { return config_.spool_directory + "/input"; }

  Loop& loop_;
  const ServerConfig& config_;
  spool::Store& store_;
  delivery::Queue& queue_;
  Log& log_;
  struct Malformed {
    WallTime since;    // it was found out
    WallTime changed;  // its files
  };
  std::map<std::string, Malformed> malformed_;  // by folder and id
  std::set<std::string> told_;                  // what was logged about pairs that stay
  bool is_busy_ = false;
  bool is_stopping_ = false;
};

}  // namespace godwit::daemon
