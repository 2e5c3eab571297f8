// The operator's commands on messages (-M..., -Mv...): a command goes to the worker that owns the
// message, or is carried out here where nobody does; what is shown is read from the spool.
#include "core/base/ascii.h"
#include "daemon/commands.h"
#include "daemon/control.h"
#include "daemon/local_shard.h"
#include "daemon/queue_view.h"
#include "daemon/trace_text.h"
#include "protocol/message/address_list.h"
#include "protocol/spool_format/envelope.h"
#include "protocol/spool_format/envelope_text.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace godwit::daemon {
namespace {

constexpr int kFindSeconds = 2;  // a worker that hangs must not hide its messages

const char* verb_of(MessageAction action) {
  switch (action) {
    case MessageAction::deliver:
      return "deliver";
    case MessageAction::try_deliver:
      return "try_deliver";
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

// Who gives the command, for the log.
std::string user_name() {
  const passwd* user = getpwuid(getuid());
  return user != nullptr ? user->pw_name : "uid" + std::to_string(getuid());
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
    case MessageAction::deliver:
    case MessageAction::try_deliver: {
      const Result<void> begun = queue.deliver_now(id, action == MessageAction::deliver);
      if (begun) shard.deliver();
      return begun;
    }
    case MessageAction::freeze:
      return queue.freeze(id, user_name());
    case MessageAction::thaw:
      return queue.thaw(id, user_name());
    case MessageAction::remove:
      return queue.remove(id, user_name());
    case MessageAction::move:
      return queue.move(id, argument);
    case MessageAction::edit_sender:
      return queue.set_sender(id, argument == "<>" ? "" : argument, user_name());
    case MessageAction::add_recipient:
      return queue.add_recipient(id, argument, user_name());
    case MessageAction::mark:
    case MessageAction::mark_all:
      return shard.wait(queue.mark_delivered(id, argument, user_name()));
    case MessageAction::give_up:
      return shard.wait(queue.give_up(id, user_name()));
    default:
      return Error(Errc::unsupported, "command");
  }
}

// One message, wherever it is.
Result<void> act(const CommandLine& line, const ConfigPointer& config, const message::MessageId& id,
                 const std::string& argument) {
  const std::string command = std::string(verb_of(line.action)) + " " + id.to_string() +
                              (argument.empty() ? "" : " " + argument) + " by=" + user_name();
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

// What is being done to a message when one of its addresses is wrong.
const char* address_work(MessageAction action) {
  switch (action) {
    case MessageAction::edit_sender:
      return "editing sender";
    case MessageAction::add_recipient:
      return "adding recipient";
    default:
      return "marking as delivered";
  }
}

// Why an address of the command line cannot be a sender or a recipient; empty where it can.
std::string address_problem(MessageAction action, const std::string& text) {
  const bool is_sender = action == MessageAction::edit_sender;
  if (action == MessageAction::mark || (is_sender && text == "<>")) return {};
  const Result<message::ListedAddress> address =
      message::parse_address(text, message::Utf8::allowed, is_sender);
  std::string why;
  if (!address) {
    why = address.error().detail();
  } else if (!address->has_domain) {
    why = "domain missing";
  }
  return why.empty() ? why : "bad address " + escape_control(text) + ": " + why;
}

// -Mes, -Mar, -Mmd: one message, and addresses, up to the first that is wrong.
int act_on_addresses(const CommandLine& line, const ConfigPointer& config,
                     const message::MessageId& id) {
  const std::string name = id.to_string();
  if (line.action == MessageAction::edit_sender && line.arguments.size() > 2) {
    std::printf("Message %s - only one sender address can be specified\n", name.c_str());
    return 1;
  }
  for (size_t i = 1; i < line.arguments.size(); ++i) {
    const std::string& address = line.arguments[i];
    std::string problem = address_problem(line.action, address);
    if (problem.empty()) {
      const Result<void> done = act(line, config, id, address);
      if (!done) problem = escape_control(done.error().detail());
    }
    if (problem.empty()) continue;
    std::printf("Message %s - error while %s:\n  %s\n", name.c_str(), address_work(line.action),
                problem.c_str());
    return 1;
  }
  std::printf("Message %s has been modified\n", name.c_str());
  return 0;
}

}  // namespace

int act_on_messages(const CommandLine& line, const ConfigPointer& config) {
  const bool has_addresses = line.action == MessageAction::mark ||
                             line.action == MessageAction::edit_sender ||
                             line.action == MessageAction::add_recipient;
  if (line.arguments.empty()) {
    std::fprintf(stderr, "godwit: no message ids given\n");
    return 1;
  }
  if (has_addresses && line.arguments.size() < 2) {
    std::fprintf(stderr, "godwit: an address is missing\n");
    return 1;
  }
  std::vector<message::MessageId> ids;
  const size_t count = has_addresses ? 1 : line.arguments.size();
  for (size_t i = 0; i < count; ++i) {
    const Result<message::MessageId> id = message::MessageId::parse(line.arguments[i]);
    if (!id) {
      std::fprintf(stderr, "godwit: malformed message id %s\n",
                   escape_control(line.arguments[i]).c_str());
      return 1;
    }
    ids.push_back(*id);
  }
  if (has_addresses) return act_on_addresses(line, config, ids.front());
  const std::string argument = line.action == MessageAction::move ? line.queue_name : "";
  int status = 0;
  for (const message::MessageId& id : ids) {
    const std::string name = id.to_string();
    const Result<void> done = act(line, config, id, argument);
    if (!done) {
      // What stands already reads on as a sentence.
      const std::string& why = done.error().detail();
      std::printf("Message %s%s %s\n", name.c_str(), why.starts_with("is ") ? "" : ":",
                  why.c_str());
      status = 1;
    } else if (done_text(line.action) != nullptr) {
      std::printf("Message %s %s\n", name.c_str(), done_text(line.action));
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

}  // namespace godwit::daemon
