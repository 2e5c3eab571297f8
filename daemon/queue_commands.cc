// The commands about the queue: listing, counting, running, acting on messages, showing them. A
// listing reads shards as they are; a command goes to the worker that owns the message, or is
// carried out here where nobody does.
#include "core/base/ascii.h"
#include "daemon/commands.h"
#include "daemon/control.h"
#include "daemon/exchange.h"
#include "daemon/local_shard.h"
#include "daemon/queue_view.h"
#include "daemon/trace_text.h"
#include "protocol/spool_format/envelope.h"
#include "protocol/spool_format/envelope_text.h"

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <map>

namespace godwit::daemon {
namespace {

constexpr int kFindSeconds = 2;  // a worker that hangs must not hide its messages

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

const char* verb_of(MessageAction action) {
  switch (action) {
    case MessageAction::deliver:
      return "deliver";
    case MessageAction::freeze:
      return "freeze";
    case MessageAction::thaw:
      return "thaw";
    case MessageAction::remove:
      return "remove";
    case MessageAction::give_up:
      return "give_up";
    case MessageAction::mark_all:
      return "mark_all";
    case MessageAction::mark:
      return "mark";
    case MessageAction::move:
      return "move";
    case MessageAction::edit_sender:
      return "set_sender";
    case MessageAction::add_recipient:
      return "add_recipient";
    default:
      return "unknown";
  }
}

// Asks every worker that listens; "ok", or the error of the one that has the message.
std::optional<std::string> ask_workers(const ServerConfig& config, const std::string& command,
                                       int seconds = kControlSeconds) {
  std::optional<std::string> answer;
  SystemFiles files;
  const Result<std::vector<std::string>> names = files.list(config.spool_directory + "/control");
  if (!names) return answer;
  for (const std::string& name : *names) {
    const Result<std::string> got =
        ask_control(config.spool_directory + "/control/" + name, command, seconds);
    if (!got) continue;
    const bool has_it = !got->starts_with("error not_found no message");
    if (!answer || has_it) answer = *got;
    if (has_it) break;
  }
  return answer;
}

// The shard where a worker says that it has the message; empty: none does, or none is there.
std::string shard_of_worker(const ServerConfig& config, const message::MessageId& id) {
  const std::optional<std::string> answer =
      ask_workers(config, "find " + id.to_string(), kFindSeconds);
  constexpr std::string_view kHere = "ok ";
  return answer && answer->starts_with(kHere) ? answer->substr(kHere.size()) : std::string();
}

Result<void> act_here(LocalShard& shard, MessageAction action, const message::MessageId& id,
                      const std::string& argument) {
  delivery::Queue& queue = shard.queue();
  switch (action) {
    case MessageAction::deliver: {
      const Result<void> begun = queue.deliver_now(id);
      if (begun) shard.deliver();
      return begun;
    }
    case MessageAction::freeze:
      return queue.freeze(id);
    case MessageAction::thaw:
      return queue.thaw(id);
    case MessageAction::remove:
      return queue.remove(id, argument);
    case MessageAction::move:
      return queue.move(id, argument);
    case MessageAction::edit_sender:
      return queue.set_sender(id, argument == "<>" ? "" : argument);
    case MessageAction::add_recipient:
      return queue.add_recipient(id, argument);
    case MessageAction::mark:
    case MessageAction::mark_all:
      return shard.wait(queue.mark_delivered(id, argument));
    case MessageAction::give_up:
      return shard.wait(queue.give_up(id));
    default:
      return Error(Errc::unsupported, "command");
  }
}

// One message, wherever it is.
Result<void> act(const CommandLine& line, const ConfigPointer& config, const message::MessageId& id,
                 const std::string& argument) {
  const std::string command = std::string(verb_of(line.action)) + " " + id.to_string() +
                              (argument.empty() ? "" : " " + argument);
  const std::optional<std::string> answer = ask_workers(*config, command);
  if (answer && *answer == "ok") return {};
  if (answer && !answer->starts_with("error not_found no message")) {
    const std::string_view text = std::string_view(*answer).substr(6);
    return Error(Errc::invalid_argument,
                 std::string(text.substr(std::min(text.find(' ') + 1, text.size()))));
  }
  SystemFiles files;
  QueueView view(files, config->spool_directory);
  const QueueView::Shard* shard = view.look_for(id, {}).first;
  if (shard == nullptr) return Error(Errc::not_found, "no such message");
  Debugging debugging(line.debug, *config->document.sources);
  LocalShard local(config, debugging.attempts());
  const Result<void> opened = local.open(shard->name);
  if (!opened) return opened;
  return act_here(local, line.action, id, argument);
}

const char* done_text(MessageAction action) {
  switch (action) {
    case MessageAction::freeze:
      return "is now frozen";
    case MessageAction::thaw:
      return "is no longer frozen";
    case MessageAction::remove:
      return "has been removed";
    case MessageAction::give_up:
      return "has been given up";
    case MessageAction::mark:
    case MessageAction::mark_all:
    case MessageAction::edit_sender:
    case MessageAction::move:
    case MessageAction::add_recipient:
      return "has been modified";
    default:
      return nullptr;
  }
}

}  // namespace

int list_queue(const CommandLine& line, const ConfigPointer& config) {
  SystemFiles files;
  QueueView view(files, config->spool_directory);
  view.read_all();
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
  view.read_all();
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

int run_queue(const CommandLine& line, const ConfigPointer& config) {
  std::string command = "run";
  if (line.queue_forced) command += " forced";
  if (line.queue_with_frozen) command += " frozen";
  if (line.queue_first_only) command += " first";
  delivery::QueueRun run{
      line.queue_forced, line.queue_with_frozen, line.queue_first_only, line.queue_name, {}};
  if (line.queue_selects) {
    if (line.arguments.size() != 1) {
      std::fprintf(stderr, "godwit: -R needs one text\n");
      return 1;
    }
    run.match = line.arguments.front();
  }
  if (run.match.find_first_of(" \t\n") != std::string::npos ||
      run.queue_name.find_first_of("/ \t\n") != std::string::npos) {
    std::fprintf(stderr, "godwit: no blanks in the text of -R or the name of a queue\n");
    return 1;
  }
  if (!run.queue_name.empty()) command += " queue=" + run.queue_name;
  if (!run.match.empty()) command += " match=" + run.match;
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

int act_on_messages(const CommandLine& line, const ConfigPointer& config) {
  const bool one_message = line.action == MessageAction::mark ||
                           line.action == MessageAction::edit_sender ||
                           line.action == MessageAction::add_recipient;
  if (line.arguments.empty() || (one_message && line.arguments.size() < 2)) {
    std::fprintf(stderr, "godwit: a message id%s is missing\n",
                 one_message ? " or an address" : "");
    return 1;
  }
  std::vector<std::pair<std::string, std::string>> work;  // id, argument
  if (one_message) {
    for (size_t i = 1; i < line.arguments.size(); ++i)
      work.emplace_back(line.arguments[0], line.arguments[i]);
  } else {
    const char* login = getlogin();
    const std::string who = line.action == MessageAction::remove
                                ? (login != nullptr ? login : "root")
                            : line.action == MessageAction::move ? line.queue_name
                                                                 : "";
    for (const std::string& id : line.arguments) work.emplace_back(id, who);
  }
  int status = 0;
  for (const auto& [text, argument] : work) {
    const Result<message::MessageId> id = message::MessageId::parse(text);
    const Result<void> done = id ? act(line, config, *id, argument)
                                 : Result<void>(Error(Errc::invalid_argument, "not a message id"));
    if (!done) {
      std::printf("Message %s: %s\n", escape_control(text).c_str(), done.error().detail().c_str());
      status = 1;
    } else if (done_text(line.action) != nullptr) {
      std::printf("Message %s %s\n", text.c_str(), done_text(line.action));
    }
  }
  return status;
}

namespace {

// The log of the message where it has one; else the lines about it in the main log.
int show_log(const ServerConfig& config, const std::string& id) {
  for (const char* directory : {"/msglog/", "/msglog.OLD/"}) {
    std::ifstream own(config.spool_directory + directory + id);
    std::string line;
    if (!own) continue;
    while (std::getline(own, line)) std::printf("%s\n", line.c_str());
    return 0;
  }
  if (config.log_paths.main.empty()) {
    std::fprintf(stderr, "godwit: message %s has no log, and the main log is in syslog\n",
                 id.c_str());
    return 1;
  }
  std::ifstream in(config.log_paths.main);
  if (!in) {
    std::fprintf(stderr, "godwit: cannot read %s\n", config.log_paths.main.c_str());
    return 1;
  }
  std::string line;
  while (std::getline(in, line)) {
    const size_t at = line.find(id);
    if (at == std::string::npos) continue;
    line.erase(at, std::min(id.size() + 1, line.size() - at));
    std::printf("%s\n", line.c_str());
  }
  return 0;
}

void print_body(spool::ShardReader& reader, spool::MessageRef ref) {
  std::string page(64 * 1024, '\0');
  for (uint64_t offset = 0;;) {
    const Result<size_t> got = reader.read_body(ref, offset, std::span<char>(page));
    if (!got || *got == 0) break;
    offset += *got;
    std::string text = page.substr(0, *got);
    std::erase(text, '\r');
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
}

}  // namespace

int show_messages(const CommandLine& line, const ConfigPointer& config) {
  if (line.arguments.size() != 1) {
    std::fprintf(stderr, "godwit: exactly one message id is needed\n");
    return 1;
  }
  const Result<message::MessageId> id = message::MessageId::parse(line.arguments.front());
  if (!id) {
    std::fprintf(stderr, "godwit: %s is no message id\n",
                 escape_control(line.arguments.front()).c_str());
    return 1;
  }
  if (line.action == MessageAction::view_log) return show_log(*config, id->to_string());
  SystemFiles files;
  QueueView view(files, config->spool_directory);
  const auto [shard, listed] = view.look_for(*id, shard_of_worker(*config, *id));
  if (shard == nullptr) {
    std::fprintf(stderr, "godwit: no message %s\n", id->to_string().c_str());
    return 1;
  }
  const Result<std::string> headers = shard->reader.read_headers(listed->ref);
  const Result<std::string> bytes = shard->reader.read_envelope(listed->ref);
  const Result<Envelope> envelope =
      bytes ? decode_envelope(*bytes) : Result<Envelope>(bytes.error());
  if (!headers || !envelope) {
    std::fprintf(stderr, "godwit: message %s cannot be read\n", id->to_string().c_str());
    return 1;
  }
  if (line.action == MessageAction::view_headers) {
    EnvelopeTextState state;
    if (listed->entry.progress != nullptr) {
      state.done = listed->entry.progress->done;
      state.frozen_at = listed->entry.progress->frozen_at;
      state.warnings = listed->entry.progress->warnings_sent;
    }
    std::fputs(envelope_to_text(*envelope, state, *headers).c_str(), stdout);
    return 0;
  }
  if (line.action == MessageAction::view_body) {
    std::printf("%s-D\n", id->to_string().c_str());
  } else {
    std::string text = *headers;
    std::erase(text, '\r');
    std::printf("%s\n", text.c_str());
  }
  print_body(shard->reader, listed->ref);
  return 0;
}

bool tell_daemon_to_adopt(const ServerConfig& config) {
  const Result<std::string> answer = ask_control(control_path(config.spool_directory, 0), "adopt");
  return answer.has_value();
}

}  // namespace godwit::daemon
