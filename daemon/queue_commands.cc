// The commands about the queue: listing, counting, running. A listing reads shards as they are; a
// run is for the workers, or is done here where there are none.
#include "acl/expand/regex.h"
#include "core/base/ascii.h"
#include "daemon/commands.h"
#include "daemon/control.h"
#include "daemon/exchange.h"
#include "daemon/local_shard.h"
#include "daemon/queue_view.h"
#include "daemon/trace_text.h"
#include "protocol/spool_format/envelope.h"

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>

namespace godwit::daemon {
namespace {

// "2.9K", in at most five characters, as Exim's listing has it.
std::string short_size(uint64_t bytes) {
  char text[32];
  if (bytes < 1024) {
    std::snprintf(text, sizeof text, "%" PRIu64, bytes);
  } else if (bytes < 10 * 1024) {
    std::snprintf(text, sizeof text, "%.1fK", static_cast<double>(bytes) / 1024);
  } else if (bytes < 1024 * 1024) {
    std::snprintf(text, sizeof text, "%" PRIu64 "K", bytes / 1024);
  } else if (bytes < uint64_t{10} * 1024 * 1024) {
    std::snprintf(text, sizeof text, "%.1fM", static_cast<double>(bytes) / (1024 * 1024));
  } else {
    std::snprintf(text, sizeof text, "%" PRIu64 "M", bytes / (1024 * 1024));
  }
  return text;
}

// "25m", "3h", "2d".
std::string short_age(Millis age) {
  const int64_t minutes = std::max<int64_t>(0, age.count / 60'000);
  if (minutes < 90) return std::to_string(minutes) + "m";
  const int64_t hours = minutes / 60;
  if (hours < 72) return std::to_string(hours) + "h";
  return std::to_string(hours / 24) + "d";
}

void print_message(const message::MessageId& id, ListedMessage& listed, spool::ShardReader& reader,
                   const CommandLine& line, WallTime now) {
  if (line.list_ids) {
    std::printf("%s\n", id.to_string().c_str());
    return;
  }
  const Result<std::string> bytes = reader.read_envelope(listed.ref);
  if (!bytes) return;  // delivered since
  const Result<Envelope> envelope = decode_envelope(*bytes);
  if (!envelope) {
    std::printf("%3s %5s %s *** spool format error ***\n\n", "", "", id.to_string().c_str());
    return;
  }
  const delivery::Progress* progress = listed.entry.progress.get();
  std::string sender = envelope->sender;
  if (progress != nullptr && !progress->new_sender.empty()) {
    sender = progress->new_sender == "<>" ? "" : progress->new_sender;
  }
  std::printf("%3s %5s %s <%s>%s\n", short_age(now - listed.received).c_str(),
              short_size(listed.bytes).c_str(), id.to_string().c_str(), sender.c_str(),
              listed.entry.frozen ? " *** frozen ***" : "");
  for (uint32_t i = 0; i < envelope->recipients.size(); ++i) {
    const bool done = progress != nullptr && progress->is_done(i);
    if (done && line.list_undelivered) continue;
    std::printf("        %s %s\n", done ? "D" : " ", envelope->recipients[i].address.c_str());
  }
  if (progress != nullptr) {
    for (const std::string& added : progress->added) std::printf("          %s\n", added.c_str());
  }
  std::printf("\n");
}

// False where the spool must not be read, which is told.
bool read(QueueView& view) {
  const Result<void> done = view.read_all();
  if (!done)
    std::fprintf(stderr, "godwit: cannot read the spool: %s\n", done.error().to_string().c_str());
  return done.has_value();
}

}  // namespace

int list_queue(const CommandLine& line, const ConfigPointer& config) {
  SystemFiles files;
  QueueView view(files, config->spool_directory);
  if (!read(view)) return 1;
  const WallTime now = SystemClock().wall();
  // Oldest first, whatever shard they are in.
  std::map<message::MessageId, QueueView::Shard*> order;
  for (const std::unique_ptr<QueueView::Shard>& shard : view.shards()) {
    for (const auto& [id, listed] : shard->messages) {
      if (listed.entry.queue_name() == line.queue_name) order.emplace(id, shard.get());
    }
  }
  for (const auto& [id, shard] : order) {
    const bool asked =
        line.arguments.empty() ||
        std::find(line.arguments.begin(), line.arguments.end(), id.text()) != line.arguments.end();
    if (asked) print_message(id, shard->messages.at(id), shard->reader, line, now);
  }
  return 0;
}

int count_queue(const CommandLine& line, const ConfigPointer& config) {
  SystemFiles files;
  QueueView view(files, config->spool_directory);
  if (!read(view)) return 1;
  size_t count = 0;
  for (const std::unique_ptr<QueueView::Shard>& shard : view.shards()) {
    for (const auto& [id, listed] : shard->messages)
      count += listed.entry.queue_name() == line.queue_name ? 1 : 0;
  }
  std::printf("%zu\n", count);
  return 0;
}

// What was handed over in input/ while no daemon ran.
Task<bool> take_in_pairs(LocalShard& shard, const ServerConfig& config) {
  Exchange exchange(shard.loop(), config, shard.store(), shard.queue(), shard.log());
  co_await exchange.settle();
  co_await exchange.take_in();
  co_return true;
}

// The shards of a spool that no daemon has, and where it is empty one for what waits in input/.
std::vector<std::string> shards_to_run(const ServerConfig& config) {
  SystemFiles files;
  std::vector<std::string> names = shard_names(files, config.spool_directory);
  const Result<std::vector<std::string>> handed = files.list(config.spool_directory + "/input");
  if (names.empty() && handed && !handed->empty()) names.push_back(own_shard_name());
  return names;
}

namespace {

delivery::QueueRun run_of(const CommandLine& line) {
  return {line.queue_forced, line.queue_with_frozen, line.queue_first_only,
          line.queue_name,   line.queue_match,       line.queue_sender,
          line.queue_regex,  line.queue_first_id,    line.queue_last_id};
}

// Why a run cannot be; empty where it can.
std::string problem_of(const delivery::QueueRun& run) {
  for (const std::string* text : {&run.match, &run.sender_match}) {
    if (text->find_first_of(" \t\n") != std::string::npos)
      return "no blanks in the text of -R or -S";
    if (!run.is_regex) continue;
    const Result<acl::Regex> regex = acl::Regex::compile(*text, true);
    if (!regex) return regex.error().detail();
  }
  const bool is_name = run.queue_name.find_first_of("/ \t\n") == std::string::npos;
  return is_name ? "" : "no blanks or slashes in the name of a queue";
}

// The command that workers are sent.
std::string command_of(const delivery::QueueRun& run) {
  std::string out = "run";
  if (run.forced) out += " forced";
  if (run.with_frozen) out += " frozen";
  if (run.first_only) out += " first";
  if (run.is_regex) out += " regex";
  if (!run.queue_name.empty()) out += " queue=" + run.queue_name;
  if (!run.match.empty()) out += " match=" + run.match;
  if (!run.sender_match.empty()) out += " sender=" + run.sender_match;
  if (!run.first_id.empty()) out += " from=" + run.first_id;
  if (!run.last_id.empty()) out += " to=" + run.last_id;
  return out;
}

}  // namespace

int run_queue(const CommandLine& line, const ConfigPointer& config) {
  const delivery::QueueRun run = run_of(line);
  if (const std::string problem = problem_of(run); !problem.empty()) {
    std::fprintf(stderr, "godwit: %s\n", problem.c_str());
    return 1;
  }
  const std::string command = command_of(run);
  SystemFiles files;
  const Result<std::vector<std::string>> names = files.list(config->spool_directory + "/control");
  bool daemon_runs = false;
  for (const std::string& name : names.value_or({})) {
    const std::string path = config->spool_directory + "/control/" + name;
    const Result<std::string> answer = ask_control(path, command);
    // One that takes its time, since it takes over shards, runs the queue all the same.
    const bool listens = answer || answer.error().code() == Errc::connection_closed;
    daemon_runs = daemon_runs || listens;
  }
  if (daemon_runs) return 0;  // its workers have all shards, or will
  Debugging debugging(line.debug, *config->document.sources);
  debugging.tell_user("queue runner");
  debugging.tell_queue_run(run);
  bool is_first = true;
  for (const std::string& name : shards_to_run(*config)) {
    LocalShard shard(config, debugging.attempts());
    if (!shard.open(name)) continue;  // a worker has it, and has been told
    if (std::exchange(is_first, false)) shard.wait(take_in_pairs(shard, *config));
    shard.queue().run_queue(run);
    shard.deliver();
  }
  return 0;
}

bool tell_daemon_to_adopt(const ServerConfig& config) {
  const Result<std::string> answer = ask_control(control_path(config.spool_directory, 0), "adopt");
  return answer.has_value();
}

}  // namespace godwit::daemon
