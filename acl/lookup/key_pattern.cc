#define PCRE2_CODE_UNIT_WIDTH 8
#include "acl/lookup/key_pattern.h"

#include "acl/lookup/finders.h"
#include "core/base/ascii.h"

#include <pcre2.h>

#include <array>

namespace godwit::acl {
namespace {

constexpr uint32_t kMatchLimit = 100'000;

}  // namespace

struct KeyRegex {
  pcre2_code* code = nullptr;  // null: `problem` says why
  std::string problem;

  explicit KeyRegex(std::string_view pattern) {
    int error = 0;
    size_t offset = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                         PCRE2_CASELESS | PCRE2_NO_UTF_CHECK, &error, &offset, nullptr);
    if (code != nullptr) return;
    std::array<unsigned char, 256> text{};
    pcre2_get_error_message(error, text.data(), text.size());
    problem = "regular expression error in key \"" + std::string(pattern) +
              "\": " + reinterpret_cast<const char*>(text.data()) + " at offset ";
    append_decimal(problem, offset);
  }
  ~KeyRegex() { pcre2_code_free(code); }
  KeyRegex(const KeyRegex&) = delete;
  KeyRegex& operator=(const KeyRegex&) = delete;
};

KeyPattern::KeyPattern(std::string_view text) : text_(text) {
  if (text.starts_with('^')) {
    kind_ = Kind::regex;
    regex_ = std::make_shared<const KeyRegex>(text);
    return;
  }
  if (text.starts_with('*')) {
    kind_ = Kind::suffix;
    text_ = text.substr(1);
    return;
  }
  const size_t semicolon = text.find(';');
  if (semicolon == std::string_view::npos) return;
  LookupProblem problem;
  spec_ = parse_lookup_type(text.substr(0, semicolon), problem);
  if (!spec_) return;
  kind_ = Kind::lookup;
  text_ = trim_left(text.substr(semicolon + 1));
}

Result<bool> KeyPattern::matches(std::string_view key) const {
  if (kind_ == Kind::literal) return equals_ignore_case(text_, key);
  if (kind_ == Kind::suffix) return ends_with_ignore_case(key, text_);
  if (regex_->code == nullptr) return deferred(regex_->problem);
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(context, kMatchLimit);
  pcre2_set_depth_limit(context, kMatchLimit);
  const int status = pcre2_match(regex_->code, reinterpret_cast<PCRE2_SPTR>(key.data()), key.size(),
                                 0, PCRE2_NO_UTF_CHECK, match, context);
  pcre2_match_context_free(context);
  pcre2_match_data_free(match);
  if (status == PCRE2_ERROR_NOMATCH) return false;
  if (status >= 0) return true;
  return deferred("the regular expression \"" + text_ + "\" reached its limit of steps");
}

}  // namespace godwit::acl
