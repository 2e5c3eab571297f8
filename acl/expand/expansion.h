// Expansion: a string of the configuration language, compiled once and evaluated many times.
// Used by lists, ACLs, routers, transports and options. Cheap to copy (it shares its tree),
// immutable. Compile errors go to Diagnostics with their place; evaluation gives a value or one of
// three other answers: forced failure, failure, or "could not ask".
#pragma once

#include "acl/expand/context.h"
#include "acl/expand/list_pattern.h"
#include "core/base/result.h"
#include "core/config/diagnostics.h"
#include "core/config/located_text.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

enum class EvalStatus : uint8_t {
  ok,
  forced_fail,  // the text says `fail`; what that means is the caller's affair
  failed,       // an error in the text or its data
  deferred,     // something that had to be asked could not be asked
};

struct EvalResult {
  EvalStatus status = EvalStatus::ok;
  std::string text;      // ok: the value; otherwise: why
  bool tainted = false;  // ok: something in it came from outside

  bool ok() const noexcept { return status == EvalStatus::ok; }
};

struct CompileOptions {
  const ListCompiler* lists = nullptr;  // null: conditions that match lists are refused
  // Items that are known but not available yet fail at evaluation instead of at load. For options
  // that are checked but do not act yet.
  bool tolerate_unavailable = false;
};

struct ExpansionProgram;  // the tree; node.h

class Expansion {
 public:
  Expansion() = default;  // the empty string
  explicit Expansion(std::shared_ptr<const ExpansionProgram> program)
      : program_(std::move(program)) {}

  // True where no evaluation can change the value: no variable, no item.
  bool is_constant() const noexcept;
  // The value of a constant; empty for others.
  std::string_view constant() const noexcept;
  // The text that was compiled.
  std::string_view source() const noexcept;
  // True where evaluation may have to wait for an answer from outside.
  bool can_suspend() const noexcept;

  // Waits on the current fiber where it must (can_suspend()); where none is current, what would
  // have to wait is deferred. Leaves captures, $value and $item of the context as they were.
  EvalResult evaluate(EvalContext& context) const;
  // The same at the end of `out`, whose text counts towards kExpansionBytesMax, too. Taints the
  // context. Not ok: context.error says why, and `out` is as it was.
  EvalStatus append(EvalContext& context, std::string& out) const;

 private:
  std::shared_ptr<const ExpansionProgram> program_;
};

// Nothing where the text is wrong; `diagnostics` says why.
std::optional<Expansion> compile_expansion(const config::LocatedText& text,
                                           const CompileOptions& options,
                                           config::Diagnostics& diagnostics);
// For text that comes up at run time: the first problem as an Error.
Result<Expansion> compile_expansion(std::string_view text, const CompileOptions& options);

// Tells `trace` what the debug_print of the driver `name` gives, or why it gives nothing. Ends of
// lines at its end are left out.
void show_debug_print(Trace& trace, std::string_view name, const Expansion& text,
                      EvalContext& context);

// The truth of a `condition =` and of router options: empty, 0, no, false are false; any other
// number, yes, true are true; nothing for another text.
std::optional<bool> truth_of(std::string_view text) noexcept;
// As `bool_lax`: any other text is true.
bool lax_truth_of(std::string_view text) noexcept;

}  // namespace godwit::acl
