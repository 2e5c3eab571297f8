// --explain: the way that a message would take, or the way that one took, as a tree. A dialogue
// runs through a session of its own, as with -bh, with a client that says what the query says; what
// it accepts is routed. Nothing is kept or delivered. docs/explain.md
#include "acl/expand/trace_record.h"
#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "daemon/commands.h"
#include "daemon/explain_keeper.h"
#include "daemon/explain_query.h"
#include "daemon/scratch_inbound.h"
#include "delivery/route/verify.h"
#include "protocol/message/address_syntax.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>

namespace godwit::daemon {
namespace {

// A client that says its lines, one after each reply, and hears nothing.
class ScriptedClient final : public ByteStream {
 public:
  explicit ScriptedClient(std::vector<std::string> lines) : lines_(std::move(lines)) {}

  void set_deadline(Instant) override {}
  void close() noexcept override {}
  bool has_input() const override { return false; }

 protected:
  bool try_read() override {
    set_read(next_ < lines_.size() ? std::string_view(lines_[next_++]) : std::string_view());
    return true;
  }
  void wait_readable() override {}
  bool try_write(std::span<const std::string_view>) override { return true; }

 private:
  std::vector<std::string> lines_;
  size_t next_ = 0;
};

class NoLog final : public Log {
 public:
  void write(const LogRecord&) override {}
  bool wants_fields() const noexcept override { return false; }
};

// In wire format with its final dot.
std::string stuffed(std::string_view message) {
  std::string out;
  while (!message.empty()) {
    const size_t end = std::min(message.find('\n'), message.size());
    std::string_view line = message.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('.')) out += '.';
    out += std::string(line) + "\r\n";
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  return out + ".\r\n";
}

Result<std::vector<std::string>> script_of(const ExplainQuery& query) {
  std::vector<std::string> lines{"EHLO " + query.helo + "\r\n", query.mail + "\r\n"};
  for (const std::string& rcpt : query.rcpts) lines.push_back(rcpt + "\r\n");
  if (!query.data_file.empty()) {
    std::ifstream file(query.data_file, std::ios::binary);
    if (!file) return Error(Errc::not_found, "--explain: cannot read " + query.data_file);
    const std::string message{std::istreambuf_iterator<char>(file), {}};
    lines.emplace_back("DATA\r\n");
    lines.push_back(stuffed(message));
  }
  lines.emplace_back("QUIT\r\n");
  return lines;
}

// Takes every recipient that was accepted through the routers.
class RoutesOfMessage {
 public:
  RoutesOfMessage(const ServerConfig& config, LocalShard& shard, SessionFacts& facts,
                  acl::Trace& trace)
      : config_(config), shard_(shard), facts_(facts), trace_(trace) {}

  Task<bool> run() {
    for (const std::string& recipient : facts_.message.recipients) co_await route(recipient);
    co_return true;
  }

 private:
  Task<void> route(const std::string& recipient) {
    const message::AddressParts parts = message::split_address(recipient);
    delivery::RouteQuery query;
    query.local_part = parts.local_part;
    query.domain = to_lower(parts.domain);
    query.sender = facts_.message.sender_address;
    query.services = &shard_.evaluators().get();
    query.server = &config_.facts;
    query.connection = &facts_.connection;
    query.message = &facts_.message;
    query.message_variables = &facts_.message_variables;
    query.connection_variables = &facts_.connection_variables;
    query.trace = &trace_;
    query.now = SystemClock().wall();
    delivery::HostFinder& hosts = shard_.evaluators().names().hosts();
    auto walking = [&] {
      return route_all_of(*config_.delivery->routers, recipient, query, hosts);
    };
    const delivery::RoutedTree tree = co_await on_fiber(walking);
    (void)tree;  // the trace has it
  }

  const ServerConfig& config_;
  LocalShard& shard_;
  SessionFacts& facts_;
  acl::Trace& trace_;
};

int print(const acl::TraceRecord& record, bool as_json) {
  const std::string out = as_json ? record.to_json() : record.to_text();
  std::fwrite(out.data(), 1, out.size(), stdout);
  return 0;
}

int print_kept(const std::string& id, const ServerConfig& config, bool as_json) {
  std::ifstream file(explain_path(config.spool_directory, id), std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "godwit: no record of %s: explain_sample %s\n", id.c_str(),
                 config.explain_share > 0 ? "chose others, or it is too old" : "is not set");
    return 1;
  }
  const std::string lines{std::istreambuf_iterator<char>(file), {}};
  acl::TraceRecord record;
  if (!record.add_lines(lines))
    std::fprintf(stderr, "godwit: the record of %s is damaged\n", id.c_str());
  return print(record, as_json);
}

int explain_dialogue(const ExplainQuery& query, const CommandLine& line,
                     const ConfigPointer& config) {
  Result<std::vector<std::string>> script = script_of(query);
  if (!script) {
    std::fprintf(stderr, "godwit: %s\n", script.error().detail().c_str());
    return 1;
  }
  NoLog log;
  ScratchInbound inbound(config, log);
  if (!inbound.open(false)) return 1;
  LocalShard& shard = inbound.shard();
  acl::TraceRecord record(*inbound.config()->document.sources, shard.loop().clock());
  SessionFacts facts;
  ScriptedClient client(std::move(*script));
  inbound.run(client, Endpoint{query.client, ScratchInbound::kClientPort}, record, &facts);
  shard.wait(RoutesOfMessage(*inbound.config(), shard, facts, record).run());
  return print(record, line.as_json);
}

}  // namespace

int explain(const CommandLine& line, const ConfigPointer& config) {
  std::string text = line.explained;
  for (const std::string& word : line.arguments) text += " " + word;
  if (const Result<message::MessageId> id = message::MessageId::parse(trim(text)))
    return print_kept(id->to_string(), *config, line.as_json);
  const Result<ExplainQuery> query = parse_explain_query(text);
  if (!query) {
    std::fprintf(stderr, "godwit: %s\n", query.error().detail().c_str());
    return 1;
  }
  return explain_dialogue(*query, line, config);
}

}  // namespace godwit::daemon
