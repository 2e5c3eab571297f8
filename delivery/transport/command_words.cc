#include "delivery/transport/command_words.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "delivery/transport/transport.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

std::vector<config::LocatedText> split_command(const config::LocatedText& command,
                                               config::Diagnostics& diagnostics) {
  std::vector<config::LocatedText> words;
  const std::string_view text = command.view();
  for (size_t at = 0; at < text.size();) {
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size()) break;
    if (text[at] == '"' || text[at] == '\'') {
      const size_t end = config::quoted_end(text, at);
      if (end == std::string_view::npos) {
        diagnostics.error(command.at(at), "the quote that begins here does not end");
        return {};
      }
      const config::LocatedText inner = command.substr(at + 1, end - at - 2);
      words.push_back(text[at] == '"' ? config::read_escapes(inner) : inner);
      at = end;
      continue;
    }
    size_t end = at;
    int braces = 0;
    for (; end < text.size() && (!is_space(text[end]) || braces > 0); ++end) {
      // An item may have blanks inside its braces.
      if (text[end] == '{') ++braces;
      if (text[end] == '}' && braces > 0) --braces;
    }
    words.push_back(command.substr(at, end - at));
    at = end;
  }
  return words;
}

std::vector<CommandWord> compile_command(const config::LocatedText& command, bool forced,
                                         const TransportCompileContext& context) {
  std::vector<CommandWord> out;
  for (const config::LocatedText& word : split_command(command, context.diagnostics)) {
    CommandWord& compiled = out.emplace_back();
    if (word.view() == "$pipe_addresses") {
      compiled.kind = CommandWord::Kind::addresses;
    } else if (forced && word.view() == "$address_pipe") {
      compiled.kind = CommandWord::Kind::address_pipe;
    } else {
      const acl::CompileOptions options{&context.lists, false};
      compiled.text =
          acl::compile_expansion(word, options, context.diagnostics).value_or(acl::Expansion());
    }
  }
  return out;
}

ExpandedCommand expand_command(std::span<const CommandWord> words,
                               std::span<const std::string> addresses, std::string_view owner,
                               acl::EvalContext& evaluation) {
  ExpandedCommand out;
  for (const CommandWord& word : words) {
    if (word.kind == CommandWord::Kind::addresses) {
      out.arguments.insert(out.arguments.end(), addresses.begin(), addresses.end());
      continue;
    }
    if (word.kind == CommandWord::Kind::address_pipe) {
      const acl::AddressFacts* address = evaluation.address;
      if (address == nullptr) continue;
      for (std::string& part : split_pipe_words(address->pipe))
        out.arguments.push_back(std::move(part));
      continue;
    }
    acl::EvalResult result = word.text.evaluate(evaluation);
    if (!result.ok()) {
      out.problem = "Expansion of \"" + std::string(word.text.source()) + "\" from command in " +
                    std::string(owner) + " failed: " + result.text;
      return out;
    }
    if (result.tainted && out.arguments.empty()) {
      out.problem = "Tainted \"" + escape_control(result.text) + "\" (command for " +
                    std::string(owner) + ") not permitted";
      return out;
    }
    out.arguments.push_back(std::move(result.text));
  }
  return out;
}

std::vector<std::string> split_pipe_words(std::string_view text) {
  std::vector<std::string> words;
  while (!(text = trim_left(text)).empty()) {
    std::string& word = words.emplace_back();
    const char quote = text.front() == '"' || text.front() == '\'' ? text.front() : '\0';
    size_t at = quote == '\0' ? 0 : 1;
    for (; at < text.size(); ++at) {
      if (quote == '\0' ? is_space(text[at]) : text[at] == quote) break;
      if (quote == '"' && text[at] == '\\' && at + 1 < text.size()) ++at;
      word += text[at];
    }
    text.remove_prefix(std::min(at + (quote == '\0' ? 0U : 1U), text.size()));
  }
  return words;
}

}  // namespace godwit::delivery
