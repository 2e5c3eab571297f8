// The command of an option: split into words at load, before anything is expanded, so that no
// address can add one; each word is expanded by itself. Of the pipe and lmtp transports, and of
// transport filters. EXIM.md, appendix.
#pragma once

#include "acl/expand/expansion.h"
#include "core/config/document.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

struct TransportCompileContext;

struct CommandWord {
  enum class Kind : uint8_t {
    text,
    addresses,    // $pipe_addresses: a word for each recipient
    address_pipe  // $address_pipe, where the words of a redirection are wanted one by one
  };
  Kind kind = Kind::text;
  acl::Expansion text;
};

// The words of a command: between blanks; quotes keep them together. Where the text is wrong, says
// so.
std::vector<config::LocatedText> split_command(const config::LocatedText& command,
                                               config::Diagnostics& diagnostics);

// Where `forced`, the word $address_pipe stands for many.
std::vector<CommandWord> compile_command(const config::LocatedText& command, bool forced,
                                         const TransportCompileContext& context);

struct ExpandedCommand {
  std::vector<std::string> arguments;
  std::string problem;  // not empty: why there is none
};
// `owner`: as messages name it, "local transport". The first word may not come from outside. May
// wait on the fiber.
ExpandedCommand expand_command(std::span<const CommandWord> words,
                               std::span<const std::string> addresses, std::string_view owner,
                               acl::EvalContext& evaluation);

// The words of a command that a redirection named: nothing is expanded; in double quotes a
// backslash takes the next character.
std::vector<std::string> split_pipe_words(std::string_view text);

}  // namespace godwit::delivery
