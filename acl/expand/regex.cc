#include "acl/expand/regex.h"

#include "core/base/text_hash.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <functional>
#include <unordered_map>
#include <utility>

namespace godwit::acl {
namespace {

struct FreeMatchData {
  void operator()(pcre2_match_data* data) const noexcept { pcre2_match_data_free(data); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const noexcept {
    pcre2_match_context_free(context);
  }
};

PCRE2_SPTR bytes_of(std::string_view text) noexcept {
  // PCRE2 does not accept a null pointer for an empty text before 10.43.
  static constexpr unsigned char kEmpty[1] = {0};
  return text.empty() ? kEmpty : reinterpret_cast<PCRE2_SPTR>(text.data());
}

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

Error failure(int code) {
  return Error(Errc::invalid_argument, message_of(code));
}

// One for each thread: nothing runs between a match and the reading of what it found.
pcre2_match_data* match_data() {
  thread_local const std::unique_ptr<pcre2_match_data, FreeMatchData> data(
      pcre2_match_data_create(kRegexCapturesMax, nullptr));
  return data.get();
}

// $0 $1 ... of the match that match_data() has; the memory of `captures` is used again.
void keep_captures(std::string_view subject, int count, Captures& captures) {
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(match_data());
  captures.clear();
  for (const PCRE2_SIZE* const close = offsets + 2 * count; offsets != close; offsets += 2) {
    const bool is_set = offsets[0] != PCRE2_UNSET && offsets[1] >= offsets[0];
    captures.add(is_set ? subject.substr(offsets[0], offsets[1] - offsets[0]) : std::string_view());
  }
}

}  // namespace

struct RegexCode {
  RegexCode(pcre2_code* made, bool is_jit)
      : code(made), jit(is_jit), context(pcre2_match_context_create(nullptr)) {
    pcre2_set_match_limit(context.get(), kRegexMatchLimit);
    pcre2_set_depth_limit(context.get(), kRegexDepthLimit);
  }
  ~RegexCode() { pcre2_code_free(code); }
  RegexCode(const RegexCode&) = delete;
  RegexCode& operator=(const RegexCode&) = delete;

  pcre2_code* code;
  bool jit;
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context;
};

namespace {

// Patterns that evaluations make, and those of strings that come up at run time, come again and
// again, and compiling one costs as much as hundreds of matches. They are few: that strangers may
// choose some is no harm.
using KeptRegexes =
    std::unordered_map<std::string, std::shared_ptr<const RegexCode>, TextHash, std::equal_to<>>;

KeptRegexes& kept_regexes(bool ignore_case) {
  thread_local std::array<KeptRegexes, 2> kept;
  return kept[ignore_case ? 1 : 0];
}

}  // namespace

Result<Regex> Regex::compile(std::string_view pattern, bool ignore_case) {
  Regex regex;
  KeptRegexes& kept = kept_regexes(ignore_case);
  const auto known = kept.find(pattern);
  if (known != kept.end()) {
    regex.code_ = known->second;
    return regex;
  }
  int error = 0;
  PCRE2_SIZE offset = 0;
  const uint32_t flags = ignore_case ? PCRE2_CASELESS : 0;
  pcre2_code* code =
      pcre2_compile(bytes_of(pattern), pattern.size(), flags, &error, &offset, nullptr);
  if (code == nullptr) {
    return Error(Errc::config, message_of(error) + " at offset " + std::to_string(offset));
  }
  // Without JIT (SELinux and the like) the interpreter does the same, slower.
  const bool jit = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
  regex.code_ = std::make_shared<const RegexCode>(code, jit);
  if (pattern.size() > kRegexKeptBytesMax) return regex;
  if (kept.size() >= kRegexKeptMax) kept.clear();
  kept.emplace(pattern, regex.code_);
  return regex;
}

Result<bool> Regex::search(std::string_view subject, Captures* captures) const {
  const int count = run(subject, 0, 0);
  if (count < 0) return failure(count);
  if (count > 0 && captures != nullptr) keep_captures(subject, count, *captures);
  return count > 0;
}

Result<bool> Regex::search_from(std::string_view subject, size_t start, bool anchored_not_empty,
                                RegexMatch& match, Captures* captures) const {
  const uint32_t flags = anchored_not_empty ? PCRE2_NOTEMPTY | PCRE2_ANCHORED : 0;
  const int count = run(subject, start, flags);
  if (count < 0) return failure(count);
  if (count == 0) return false;
  if (captures != nullptr) keep_captures(subject, count, *captures);
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(match_data());
  match.begin = std::min(offsets[0], offsets[1]);
  match.end = std::max(offsets[0], offsets[1]);
  return true;
}

// How many captures a match has, $0 among them; 0: no match; below: PCRE2's error. They stand in
// match_data().
int Regex::run(std::string_view subject, size_t start, uint32_t flags) const {
  // The direct way knows no options.
  const auto match = code_->jit && flags == 0 ? pcre2_jit_match : pcre2_match;
  const int count = match(code_->code, bytes_of(subject), subject.size(), start, flags,
                          match_data(), code_->context.get());
  if (count == PCRE2_ERROR_NOMATCH) return 0;
  // More groups than there is room for: those that fit.
  return count == 0 ? static_cast<int>(kRegexCapturesMax) : count;
}

}  // namespace godwit::acl
