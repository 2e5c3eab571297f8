// Keys of nwildlsearch and wildlsearch files: "*suffix", "^regular expression", "type;file" (a
// lookup of the same key), or the text itself; letters in any case. Immutable.
#pragma once

#include "acl/lookup/lookup.h"
#include "core/base/result.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

struct KeyRegex;  // hides pcre2.h

class KeyPattern {
 public:
  enum class Kind : uint8_t { literal, suffix, regex, lookup };

  explicit KeyPattern(std::string_view text);
  Kind kind() const noexcept { return kind_; }
  // Of a pattern that is no lookup. An Error where the regular expression is wrong, or where it
  // reached its limit of steps.
  Result<bool> matches(std::string_view key) const;
  // Of a lookup: what is to be asked.
  const LookupSpec& spec() const noexcept { return *spec_; }
  std::string_view file() const noexcept { return text_; }

 private:
  Kind kind_ = Kind::literal;
  std::string text_;  // the literal, the suffix, the expression, or the file of a lookup
  std::shared_ptr<const KeyRegex> regex_;
  std::optional<LookupSpec> spec_;
};

}  // namespace godwit::acl
