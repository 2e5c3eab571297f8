// transport_filter: a program gets the message, with LF line ends, and what it writes is delivered
// in its place. Runs beside the loop; both texts are in memory meanwhile. Once for a transaction.
#pragma once

#include "core/io/loop.h"
#include "core/io/task.h"
#include "delivery/transport/local_text.h"
#include "delivery/transport/message_content.h"

#include <optional>
#include <string>
#include <vector>

namespace godwit::delivery {

struct FilterRun {
  std::vector<std::string> arguments;
  Seconds timeout;
  std::optional<RunAs> who;  // nothing: as this process
  std::string directory;
};

struct Filtered {
  std::optional<MessageContent> content;  // nothing: `problem` says why
  std::string problem;
  bool timed_out = false;
};

Task<Filtered> run_filter(Loop& loop, const MessageContent& content, FilterRun filter);

}  // namespace godwit::delivery
