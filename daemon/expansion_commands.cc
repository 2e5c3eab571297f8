// -be and -bem: strings from the command line, or from standard input line by line, expanded and
// printed. "Failed: ..." says why one could not be. EXIM.md 4.1.
#include "acl/expand/expansion.h"
#include "core/base/ascii.h"
#include "core/base/text_hash.h"
#include "core/config/macros.h"
#include "core/io/fiber.h"
#include "core/io/scope.h"
#include "daemon/commands.h"
#include "daemon/queue_view.h"
#include "daemon/services.h"
#include "daemon/trace_text.h"
#include "delivery/queue/envelope_facts.h"
#include "protocol/message/body_ends.h"
#include "protocol/spool_format/envelope.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace godwit::daemon {
namespace {

constexpr std::string_view kPrompt = "> ";
constexpr size_t kLineBytesMax = 1u << 20;
constexpr size_t kInputBufferBytes = 64u << 10;
constexpr size_t kOutputBufferBytes = 64u << 10;
constexpr size_t kPageBytes = 64u << 10;
constexpr size_t kKeptLineBytesMax = 4096;  // longer lines are compiled each time
constexpr size_t kKeptLinesMax = 1024;
constexpr size_t kSeenLines = 4096;  // hashes of lines that came before

std::string login_name() {
  const passwd* user = getpwuid(getuid());
  return user == nullptr ? "uid" + std::to_string(getuid()) : user->pw_name;
}

// What is seen of a body, with line feeds, that comes in pieces.
class SeenBody {
 public:
  explicit SeenBody(const config::MainOptions& options)
      : ends_(options.message_body_visible), newlines_(options.message_body_newlines) {}

  void feed(std::string_view piece) {
    ends_.feed(piece);
    bytes_ += std::ssize(piece);
    lines_ += std::count(piece.begin(), piece.end(), '\n');
  }
  void finish(acl::MessageFacts& facts) const {
    facts.body_start = ends_.start(newlines_);
    facts.body_end = ends_.end(newlines_);
    facts.body_bytes = bytes_;
    facts.body_lines = lines_;
    facts.lines = lines_ + std::count(facts.headers.begin(), facts.headers.end(), '\n');
  }

 private:
  message::BodyEnds ends_;
  bool newlines_;
  int64_t bytes_ = 0;
  int64_t lines_ = 0;
};

// The message of -bem: a file with headers, and perhaps a "From " line before them.
bool read_message(const std::string& path, const config::MainOptions& options,
                  acl::MessageFacts& facts) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  std::string text{std::istreambuf_iterator<char>(file), {}};
  std::erase(text, '\r');
  std::string_view rest = text;
  if (rest.starts_with("From ")) {
    const std::string_view line = rest.substr(5, rest.find('\n') - 5);
    facts.sender_address = line.substr(0, line.find(' '));
    rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
  }
  facts.size = std::ssize(rest);
  size_t end = rest.starts_with('\n') ? 0 : rest.find("\n\n");
  if (end == std::string_view::npos) end = rest.size();
  facts.headers = rest.substr(0, std::min(end + (end > 0 ? 1 : 0), rest.size()));
  SeenBody body(options);
  body.feed(rest.substr(std::min(facts.headers.size() + 1, rest.size())));
  body.finish(facts);
  return true;
}

// One run of the command.
class ExpansionShell {
 public:
  // Prints to the end of `output`.
  ExpansionShell(Loop& loop, const ConfigPointer& config, const CommandLine& line,
                 std::string& output)
      : output_(output),
        config_(config),
        services_(loop, config),
        asks_(services_.get()),
        macros_(config::ReadOptions{}),
        debugging_(line.debug, *config->document.sources) {
    context_.trace = debugging_.trace();
    services_.names().show(debugging_.trace());
    for (const config::Macro& macro : config->document.macros) {
      macros_.define(macro.name, macro.value, false, macro.place);
    }
    message_.sender_address =
        line.sender_given ? line.sender : login_name() + "@" + config->facts.qualify_domain;
    set_connection(line);
    context_.services = &asks_.get();
    context_.server = &config->facts;
    context_.connection = &connection_;
    context_.message = &message_;
    context_.address = &address_;
    context_.connection_variables = &connection_variables_;
    context_.message_variables = &message_variables_;
    context_.utc = config->log_style.utc;
  }

  bool read_message_file(const std::string& path) {
    message_.received_at = clock_now();
    return read_message(path, config_->options(), message_);
  }

  // Of the queue; false where it is not there.
  bool read_spooled_message(const std::string& text) {
    const Result<message::MessageId> id = message::MessageId::parse(text);
    SystemFiles files;
    QueueView view(files, config_->spool_directory);
    const auto [shard, listed] = id ? view.look_for(*id, {}) : QueueView::Found();
    if (shard == nullptr) return false;
    const Result<std::string> bytes = shard->reader.read_envelope(listed->ref);
    Result<std::string> headers = shard->reader.read_headers(listed->ref);
    const Result<Envelope> envelope =
        bytes ? decode_envelope(*bytes) : Result<Envelope>(bytes.error());
    if (!envelope || !headers) return false;
    delivery::take_facts(*envelope,
                         {message_, connection_, connection_variables_, message_variables_});
    for (const EnvelopeRecipient& recipient : envelope->recipients)
      message_.recipients.push_back(recipient.address);
    std::erase(*headers, '\r');
    message_.headers = std::move(*headers);
    SeenBody body(config_->options());
    std::string page(kPageBytes, '\0');
    for (uint64_t at = 0;;) {
      const Result<size_t> got = shard->reader.read_body(listed->ref, at, std::span<char>(page));
      if (!got || *got == 0) break;
      at += *got;
      std::string piece = page.substr(0, *got);
      std::erase(piece, '\r');
      body.feed(piece);
    }
    body.finish(message_);
    return true;
  }

  Task<void> close() { return services_.close(); }

  // For lines that came together one time is enough.
  void look_at_clock() { context_.now = clock_now(); }

  // Prints what `text` gives, where that needs no answer from outside. Otherwise false.
  bool expand_pure_line(std::string_view text) {
    const acl::Expansion* expansion = find_pure(text);
    if (expansion == nullptr) return false;
    context_.tainted = false;
    const size_t begin = output_.size();
    const acl::EvalStatus status = expansion->append(context_, output_);
    if (status != acl::EvalStatus::ok) output_ += "Failed: " + context_.error;
    end_answer(begin);
    return true;
  }

  // Prints what `text` gives.
  Task<void> expand_line(std::string text) {
    const std::string line = replace_macros(std::move(text));
    if (!line.empty() && is_upper(line.front()) && define_macro(line)) co_return;
    if (line.starts_with("set ") || line.starts_with("set,t ")) {
      co_await set_variable(line);
      co_return;
    }
    print(co_await evaluate(line));
  }

 private:
  static WallTime clock_now() { return SystemClock().wall(); }

  void set_connection(const CommandLine& line) {
    connection_.received_protocol = line.received_protocol;
    connection_.sender_host_name = line.sender_host_name;
    const std::string login = login_name();
    connection_.sender_ident = line.sender_ident.empty() ? login : line.sender_ident;
    if (line.sender_host.empty()) {
      connection_.authenticated_id = login;
      connection_.authenticated_sender = login + "@" + config_->facts.qualify_domain;
      return;
    }
    // "address.port", as Exim has it, or the address alone.
    Result<IpAddress> address = IpAddress::parse(line.sender_host);
    uint16_t port = 0;
    const size_t dot = line.sender_host.rfind('.');
    if (!address && dot != std::string::npos) {
      address = IpAddress::parse(line.sender_host.substr(0, dot));
      port = static_cast<uint16_t>(parse_decimal(line.sender_host.substr(dot + 1)).value_or(0));
    }
    if (address) connection_.sender_host = Endpoint{*address, port};
  }

  void print(const acl::EvalResult& result) {
    const size_t begin = output_.size();
    if (!result.ok()) output_ += "Failed: ";
    output_ += result.text;
    end_answer(begin);
  }

  // An answer ends at its first NUL.
  void end_answer(size_t begin) {
    const size_t end = output_.find('\0', begin);
    if (end != std::string::npos) output_.resize(end);
    output_ += '\n';
  }

  static bool is_command(std::string_view line) {
    const size_t name = config::macro_name_length(line);
    return line.starts_with("set ") || line.starts_with("set,t ") ||
           (name > 0 && trim_left(line.substr(name)).starts_with('='));
  }

  // A line that only computes, compiled, and kept where it comes for the second time. Null for any
  // other.
  const acl::Expansion* find_pure(std::string_view text) {
    const auto known = pure_lines_.find(text);
    if (known != pure_lines_.end()) return &known->second;
    const std::string line = replace_macros(std::string(text));
    if (is_command(line) || text.size() > kKeptLineBytesMax) return nullptr;
    Result<acl::Expansion> expansion = compile(line);
    if (!expansion || expansion->can_suspend()) return nullptr;
    if (!has_come_before(text)) {
      passing_line_ = std::move(*expansion);
      return &passing_line_;
    }
    if (pure_lines_.size() >= kKeptLinesMax) pure_lines_.clear();
    return &pure_lines_.emplace(text, std::move(*expansion)).first->second;
  }

  // As far as a table of hashes can tell: to keep what never comes again costs more than compiling
  // a line twice.
  bool has_come_before(std::string_view text) {
    const size_t hash = TextHash()(text);
    return std::exchange(seen_lines_[hash % seen_lines_.size()], hash) == hash;
  }

  Result<acl::Expansion> compile(std::string_view text) const {
    acl::CompileOptions options;
    options.lists = config_->policy->lists().get();
    return acl::compile_expansion(text, options);
  }

  std::string replace_macros(std::string text) const {
    config::LocatedText line(std::move(text));
    macros_.replace(line, 0, kLineBytesMax);
    return line.text();
  }

  // NAME = value
  bool define_macro(std::string_view line) {
    const size_t length = config::macro_name_length(line);
    const std::string_view after = trim_left(line.substr(length));
    if (length == 0 || !after.starts_with('=')) return false;
    const bool again = after.starts_with("==");
    const std::string name(line.substr(0, length));
    const std::string problem =
        macros_.define(name, std::string(trim(after.substr(again ? 2 : 1))), again, {});
    pure_lines_.clear();
    if (problem.empty()) {
      output_ += "Defined macro '" + name + "'\n";
    } else {
      output_ += "Failed: " + problem + "\n";
    }
    return true;
  }

  // set acl_m_name = text; with ",t" the value counts as one from outside.
  Task<void> set_variable(const std::string& line) {
    const bool tainted = line.starts_with("set,t ");
    const std::string_view rest = trim_left(std::string_view(line).substr(tainted ? 6 : 4));
    const size_t equals = rest.find('=');
    const std::string name(trim(rest.substr(0, equals)));
    const bool known = (name.starts_with("acl_c") || name.starts_with("acl_m")) && name.size() > 5;
    if (equals == std::string_view::npos || !known) {
      output_ += "can't set: \"" + std::string(rest) + "\" is no ACL variable and value\n";
      co_return;
    }
    const std::string text(trim(rest.substr(equals + 1)));
    const acl::EvalResult value = co_await evaluate(text);
    if (!value.ok()) {
      output_ += "Failed: " + value.text + "\n";
      co_return;
    }
    acl::AclVariables& table = name[4] == 'c' ? connection_variables_ : message_variables_;
    table.insert_or_assign(name, acl::AclValue(value.text, tainted || value.tainted));
    output_ += "variable " + name + " set\n";
  }

  Task<acl::EvalResult> evaluate(const std::string& text) {
    const Result<acl::Expansion> expansion = compile(text);
    if (!expansion) {
      co_return acl::EvalResult{acl::EvalStatus::failed, expansion.error().detail(), false};
    }
    context_.now = clock_now();
    auto call = [this, &expansion] { return expansion->evaluate(context_); };
    co_return co_await on_fiber(call);
  }

  std::string& output_;
  ConfigPointer config_;
  EvaluatorServices services_;
  MessageServices asks_;
  config::MacroTable macros_;
  std::unordered_map<std::string, acl::Expansion, TextHash, std::equal_to<>> pure_lines_;
  acl::Expansion passing_line_;
  std::array<size_t, kSeenLines> seen_lines_{};
  Debugging debugging_;
  acl::ConnectionFacts connection_;
  acl::MessageFacts message_;
  acl::AddressFacts address_;
  acl::AclVariables connection_variables_;
  acl::AclVariables message_variables_;
  acl::EvalContext context_;
};

// What is printed, until it is written.
void write_out(std::string& output) {
  for (std::string_view rest = output; !rest.empty();) {
    const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    rest.remove_prefix(static_cast<size_t>(written));
  }
  output.clear();
}

// Lines of standard input. Before it waits for more, what was printed goes out.
class LineInput {
 public:
  explicit LineInput(std::string& output) : output_(output) {}

  // A line without its blanks at the end; a backslash there joins the next one. False at the end.
  // The view lasts until the next call.
  bool read_line(std::string_view& line) {
    output_ += kPrompt;
    if (read_whole(line)) return true;
    if (!read_piece(line_)) return false;
    line_.resize(trim_right(line_).size());
    std::string next;
    while (line_.ends_with('\\') && read_piece(next)) {
      line_.pop_back();
      line_ += trim(next);
      if (trim(next).empty()) break;
    }
    line = line_;
    return true;
  }

  // Whether more was read since the last question: time has passed.
  bool has_waited() noexcept { return std::exchange(has_waited_, false); }

 private:
  // A line that is there as a whole and is not continued, shown where it stands.
  bool read_whole(std::string_view& line) noexcept {
    const std::string_view rest = std::string_view(buffer_).substr(at_);
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) return false;
    line = trim_right(rest.substr(0, end));
    if (line.ends_with('\\')) return false;
    at_ += end + 1;
    return true;
  }

  // Up to the end of the line. False where there is nothing left.
  bool read_piece(std::string& piece) {
    piece.clear();
    for (bool any = false;; any = true) {
      if (at_ == buffer_.size() && !fill()) return any;
      const std::string_view rest = std::string_view(buffer_).substr(at_);
      const size_t end = rest.find('\n');
      const size_t length = std::min(end, rest.size());
      piece += rest.substr(0, std::min(length, kLineBytesMax - piece.size()));
      at_ += length;
      if (end == std::string_view::npos) continue;
      ++at_;
      return true;
    }
  }

  bool fill() {
    write_out(output_);
    buffer_.resize(kInputBufferBytes);
    const ssize_t got = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
    buffer_.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    at_ = 0;
    has_waited_ = true;
    return got > 0;
  }

  std::string& output_;
  std::string buffer_;
  std::string line_;
  size_t at_ = 0;
  bool has_waited_ = false;
};

Task<void> expand_all(ExpansionShell& shell, const CommandLine& line, std::string& output,
                      bool& done) {
  for (const std::string& argument : line.arguments) {
    co_await shell.expand_line(argument);
    write_out(output);
  }
  if (line.arguments.empty()) {
    LineInput input(output);
    std::string_view text;
    while (input.read_line(text)) {
      if (input.has_waited()) shell.look_at_clock();
      if (!shell.expand_pure_line(text)) {
        // It may take a while, or say something on standard error.
        write_out(output);
        co_await shell.expand_line(std::string(text));
        shell.look_at_clock();
      } else if (output.size() >= kOutputBufferBytes) {
        write_out(output);
      }
    }
    output += '\n';
    write_out(output);
  }
  co_await shell.close();
  done = true;
}

}  // namespace

int expand_strings(const CommandLine& line, const ConfigPointer& config) {
  Loop loop;
  bool done = false;
  std::string output;
  {
    ExpansionShell shell(loop, config, line, output);
    if (!line.message_file.empty() && !shell.read_message_file(line.message_file)) {
      std::fprintf(stderr, "godwit: failed to open %s\n", line.message_file.c_str());
      return 1;
    }
    if (!line.spooled_message.empty() && !shell.read_spooled_message(line.spooled_message)) {
      std::fprintf(stderr, "godwit: no message %s\n", escape_control(line.spooled_message).c_str());
      return 1;
    }
    Scope scope;
    scope.spawn(expand_all(shell, line, output, done));
    while (!done) loop.run_once();
  }
  return 0;
}

}  // namespace godwit::daemon
