// Cleaner: gives segments back. One whose messages have all ended is released; what still lives in
// an old, mostly dead one moves to the tail first, a bounded number of messages a round.
#pragma once

#include "core/base/time.h"
#include "core/io/loop.h"
#include "core/io/task.h"
#include "core/spool/pending_record.h"
#include "core/spool/segment.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::spool {

class StoreCore;

class Cleaner {
 public:
  explicit Cleaner(StoreCore& core);

  // Something may have become free. Starts the work, at the end of the turn, where none runs.
  void kick();
  bool is_running() const { return running_ || turn_end_.is_pending(); }
  bool is_scheduled() const { return turn_end_.is_pending(); }
  void kick_if_idle() {
    if (!running_) kick();
  }

 private:
  static void on_turn_end(void* self) noexcept;
  Task<void> run();
  Segment* pick();
  bool is_free(const Segment& segment);
  bool is_oldest_of_an_empty_store(const Segment& segment) const;
  bool is_guarded_by(uint32_t other, uint32_t guard);
  // Makes nothing of the segment needed any more, and releases it.
  Task<Result<void>> empty(uint32_t number);
  Task<Result<void>> move_round(uint32_t number);
  Task<Result<RecordPtr>> read_for_move(uint32_t slot);
  Task<Result<std::string>> read_index(uint32_t number);
  uint64_t weigh_updates(uint32_t number, std::string_view index);
  Task<Result<void>> gather_chains(uint32_t number, std::string index);
  Task<Result<RecordPtr>> gather_chain(uint32_t slot, uint32_t number);
  Task<Result<void>> conclude_round(std::vector<RecordPtr>& round);
  Task<Result<void>> tell_survivors(uint32_t number);

  // The updates of a message that count, from its newest record back.
  struct Chain {
    std::string items;
    bool touches_segment = false;
  };
  Task<Result<Chain>> read_chain(Position last, uint32_t segment);

  StoreCore& core_;
  TurnEnd turn_end_;
  bool running_ = false;
  bool again_ = false;
  // Segments that could not be emptied: not tried again before a time, or before the log grew.
  struct Pause {
    Instant until{0};
    uint32_t tail = 0;
  };
  std::map<uint32_t, Pause> pauses_;
};

}  // namespace godwit::spool
