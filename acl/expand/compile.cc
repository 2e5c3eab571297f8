// Entry points of the compiler.
#include "acl/expand/parser.h"

#include <utility>

namespace godwit::acl {

std::optional<Expansion> compile_expansion(const config::LocatedText& text,
                                           const CompileOptions& options,
                                           config::Diagnostics& diagnostics) {
  auto program = Parser(text, options, diagnostics).run();
  if (program == nullptr) return std::nullopt;
  return Expansion(std::move(program));
}

Result<Expansion> compile_expansion(std::string_view text, const CompileOptions& options) {
  config::Diagnostics diagnostics;
  auto expansion = compile_expansion(config::LocatedText(std::string(text)), options, diagnostics);
  if (expansion) return std::move(*expansion);
  return Error(Errc::config, diagnostics.all().back().message);
}

}  // namespace godwit::acl
