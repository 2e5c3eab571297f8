// ${run{command arguments}{yes}{no}}: the words are parted first and expanded each; with
// ${run,preexpand the text is expanded first.
#include "acl/expand/arguments.h"
#include "acl/expand/items.h"
#include "acl/expand/outside.h"
#include "acl/expand/parser.h"
#include "acl/expand/trace.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/process.h"

#include <algorithm>
#include <csignal>

namespace godwit::acl {
namespace {

constexpr int kCannotExecute = 127;  // what a shell says of a command that cannot be started

// One word of a command, as a piece of its text.
struct Word {
  size_t begin = 0;
  size_t length = 0;
  std::string text;  // without its quotes, its escapes read
};

// Splits at blanks. "..." keeps blanks and has escapes, '...' keeps all that is in it. A quote that
// does not end goes to the end.
std::vector<Word> split_command(std::string_view text) {
  std::vector<Word> words;
  size_t i = 0;
  while (true) {
    while (i < text.size() && is_space(text[i])) ++i;
    if (i >= text.size()) return words;
    const bool is_quoted = text[i] == '\'' || text[i] == '"';
    const bool has_escapes = text[i] == '"';
    size_t end = i;
    if (is_quoted) {
      end = std::min(config::quoted_end(text, i), text.size() + 1);
    } else {
      while (end < text.size() && !is_space(text[end])) ++end;
    }
    Word word;
    word.begin = is_quoted ? i + 1 : i;
    word.length = is_quoted ? end - i - 2 : end - i;
    word.text = text.substr(word.begin, word.length);
    if (has_escapes) word.text = config::read_escapes(config::LocatedText(word.text)).text();
    words.push_back(std::move(word));
    i = std::min(end, text.size());
  }
}

struct CommandData final : ItemData {
  bool expand_first = false;
  std::vector<std::shared_ptr<const ExpansionProgram>> words;
};

// The words of `text`, which begins at `begin` of the parser's text.
bool compile_words(Parser& parser, size_t begin, std::string_view text, CommandData& data) {
  for (const Word& word : split_command(text)) {
    std::shared_ptr<const ExpansionProgram> program;
    if (word.text.size() == word.length) {
      program = parser.compile_piece(begin + word.begin, word.length);
    } else {
      // Its backslashes are gone: places inside are those of the whole.
      const config::LocatedText piece(word.text, parser.place(begin + word.begin));
      program = Parser(piece, parser.options(), parser.diagnostics()).run();
    }
    if (program == nullptr) return false;
    data.words.push_back(std::move(program));
  }
  return true;
}

EvalStatus read_words(const Node& node, const CommandData& data, EvalContext& context,
                      std::vector<Value>& words) {
  if (data.expand_first) {
    Value text;
    const EvalStatus status = read_value(node.parts[0], context, text);
    if (status != EvalStatus::ok) return status;
    for (Word& word : split_command(text.text)) {
      words.push_back({std::move(word.text), text.tainted});
    }
    return EvalStatus::ok;
  }
  for (const auto& program : data.words) {
    Value word{program->constant, false};
    if (!program->nodes.empty()) {
      word.text.clear();
      const EvalStatus status = read_value(program->nodes, context, word);
      if (status != EvalStatus::ok) return status;
    }
    words.push_back(std::move(word));
  }
  return EvalStatus::ok;
}

EvalStatus failure(const Error& error, EvalContext& context) {
  switch (error.code()) {
    case Errc::timed_out:
      return fail(context, "command timed out");
    case Errc::too_long:
      return fail(context, "the output of the command is too long");
    case Errc::cancelled:
    case Errc::no_memory:
    case Errc::no_descriptors:
      return defer(context, "couldn't create child process: " + error.to_string());
    default:
      context.runrc = kCannotExecute;
      return EvalStatus::ok;
  }
}

}  // namespace

bool parse_run(Parser& parser, Node& node) {
  auto data = std::make_shared<CommandData>();
  while (parser.accept(',')) {
    const size_t begin = parser.offset();
    if (!parser.accept_word("preexpand")) {
      return parser.problem(begin, "bad option for run; preexpand is the only one");
    }
    data->expand_first = true;
  }
  parser.skip_space();
  const size_t brace = parser.offset();
  if (!parser.accept('{')) return parser.problem(brace, "missing '{' for command arg of run");
  const size_t begin = parser.offset();
  if (data->expand_first) {
    if (!parser.argument_rest(node.parts.emplace_back(), brace)) return false;
  } else {
    Sequence whole;  // finds the end
    const size_t errors = parser.error_count();
    if (!parser.argument_rest(whole, brace)) return false;
    const std::string_view text = parser.text().substr(begin, parser.offset() - 1 - begin);
    if (!compile_words(parser, begin, text, *data)) return parser.error_count() == errors;
    if (!data->words.empty()) {
      parser.check_taint(data->words.front()->nodes, "as a program to run", begin);
    }
  }
  node.data = std::move(data);
  return parser.tail(node);
}

EvalStatus run_run(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> words;
  EvalStatus status = read_words(node, static_cast<const CommandData&>(*node.data), context, words);
  if (status != EvalStatus::ok) return status;
  if (words.empty() || words.front().text.empty()) {
    context.runrc = kCannotExecute;
    return finish_tail(node, context, false, {}, false, out);
  }
  if (words.front().tainted) {
    return fail(context,
                "Tainted arg 0 for ${run} expansion command: '" + words.front().text + "'");
  }
  Loop* loop = loop_for_waiting(context, "a command");
  if (loop == nullptr) return EvalStatus::deferred;
  ProcessOptions options;
  for (Value& word : words) options.arguments.push_back(std::move(word.text));
  options.merge_error = true;
  options.output_bytes_max = kReadFileBytesMax;
  options.timeout = kRunTimeout;
  const std::string command = options.arguments.front();
  Result<ProcessOutcome> outcome = wait_for(run_process(*loop, std::move(options)));
  if (context.trace != nullptr) {
    const std::string how = ended_how(outcome);
    context.trace->event({TraceKind::exec, {}, command, how, {}});
  }
  Value output;
  if (outcome) {
    context.runrc = outcome->exit_status;
    output = {std::move(outcome->output), false};
    if (outcome->signal != 0) {
      return fail(context, "command killed by signal " + std::to_string(outcome->signal));
    }
  } else {
    status = failure(outcome.error(), context);
    if (status != EvalStatus::ok) return status;
  }
  // $value is the output in both branches.
  const ValueGuard guard(context);
  const bool yes = context.runrc == 0;
  if (!yes) set_value(context, output.text, false);
  return finish_tail(node, context, yes, output.text, output.tainted, out);
}

}  // namespace godwit::acl
