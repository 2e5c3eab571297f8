// HintsTidy: removes hints that nobody has changed for long, as exim_tidydb does: once a day, a few
// records a turn. Run by one worker of a machine. Losing a hint costs an attempt or a question.
#pragma once

#include "core/base/time.h"
#include "core/hints/database.h"
#include "core/io/cancel.h"
#include "core/io/loop.h"
#include "core/io/task.h"

#include <optional>
#include <string_view>
#include <vector>

namespace godwit::daemon {

// A database, and how long a record of it is kept after its last change.
struct TidiedHints {
  hints::Database* database;
  // Nothing for bytes that are no record: nobody can use them.
  std::optional<WallTime> (*changed_at)(std::string_view key, std::string_view value);
  Seconds keep;
};

// Of the databases of a spool.
std::optional<WallTime> retry_changed_at(std::string_view key, std::string_view value);
std::optional<WallTime> rate_changed_at(std::string_view key, std::string_view value);
std::optional<WallTime> seen_changed_at(std::string_view key, std::string_view value);
std::optional<WallTime> callout_changed_at(std::string_view key, std::string_view value);
// What exim_tidydb keeps without -t.
inline constexpr Seconds kHintsKept{30 * 86'400};

class HintsTidy {
 public:
  // The databases outlive run().
  HintsTidy(Loop& loop, std::vector<TidiedHints> databases)
      : loop_(loop), databases_(std::move(databases)) {}

  // Until stop(). What a database refuses is tried again the next day.
  Task<void> run();
  void stop() noexcept { cancel_.cancel(); }
  // Records removed so far.
  size_t removed() const noexcept { return removed_; }

 private:
  Task<void> tidy(const TidiedHints& hints);

  Loop& loop_;
  std::vector<TidiedHints> databases_;
  CancelSource cancel_;
  size_t removed_ = 0;
};

}  // namespace godwit::daemon
