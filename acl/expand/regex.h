// Regular expressions: PCRE2, compiled once with JIT, with a match limit so that no pattern and no
// subject can hold the loop. Used by lists, conditions and substitutions. Immutable, shareable.
#pragma once

#include "acl/expand/captures.h"
#include "core/base/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace godwit::acl {

inline constexpr uint32_t kRegexMatchLimit = 100'000;
inline constexpr uint32_t kRegexDepthLimit = 10'000;
inline constexpr uint32_t kRegexCapturesMax = 256;  // $0 $1 ... that a match keeps
inline constexpr size_t kRegexKeptMax = 256;        // compiled patterns that a thread keeps
inline constexpr size_t kRegexKeptBytesMax = 512;   // of one such pattern

struct RegexCode;  // hides pcre2.h

// Where a match stands.
struct RegexMatch {
  size_t begin = 0;
  size_t end = 0;
};

class Regex {
 public:
  // A pattern that came before is not compiled again. Errors: config, with PCRE2's text.
  static Result<Regex> compile(std::string_view pattern, bool ignore_case);

  // Anywhere in `subject`. `captures`, where given, becomes $0 $1 ... of a match. A match limit is
  // an Error, not a "no".
  Result<bool> search(std::string_view subject, Captures* captures = nullptr) const;
  // The same from `start` on. `anchored_not_empty`: only a match at `start` that is not empty.
  Result<bool> search_from(std::string_view subject, size_t start, bool anchored_not_empty,
                           RegexMatch& match, Captures* captures) const;

 private:
  int run(std::string_view subject, size_t start, uint32_t flags) const;

  std::shared_ptr<const RegexCode> code_;
};

}  // namespace godwit::acl
