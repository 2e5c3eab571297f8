#include "acl/lookup/lookup_set.h"

#include "acl/lookup/finders.h"
#include "acl/lookup/limits.h"
#include "acl/lookup/parts.h"
#include "core/base/ascii.h"

#include <algorithm>

namespace godwit::acl {
namespace {

// Asks one question after the other until one is found: the key, its partial forms, the defaults.
class KeySearch {
 public:
  KeySearch(LookupParts& parts, const LookupCall& call) : parts_(parts), call_(call) {}

  Result<LookupFound> run() {
    if (!call_.key.empty() && try_key(call_.key)) return std::move(*result_);
    const bool is_partial = call_.spec.partial_labels >= 0 && !call_.key.empty();
    if (is_partial && try_partial()) return std::move(*result_);
    if (call_.spec.fallback != LookupFallback::none && try_defaults()) return std::move(*result_);
    return LookupFound();
  }

 private:
  // True where the search ends: found, or could not be asked.
  bool try_key(std::string_view key) {
    const LookupCall call{call_.spec, call_.options,  call_.file,
                          key,        call_.expander, call_.nesting};
    result_ = call_.spec.type->find(parts_, call);
    return !*result_ || result_->value().has_value();
  }
  bool try_key(std::string_view key, std::string_view wild, std::string_view rest) {
    if (!try_key(key)) return false;
    if (*result_) result_->value()->captures = {std::string(wild), std::string(rest)};
    return true;
  }

  bool try_partial() {
    const std::string_view key = call_.key;
    const std::string_view affix = call_.spec.partial_affix;
    if (!affix.empty() && try_key(std::string(affix) + std::string(key), "", key)) return true;
    auto dots = std::ranges::count(key, '.');
    size_t begin = 0;  // of what is left
    while (dots-- >= call_.spec.partial_labels) {
      const size_t dot = key.find('.', begin);
      if (dot == std::string_view::npos) return try_affix_alone();
      begin = dot + 1;
      const std::string_view rest = key.substr(begin);
      if (try_key(std::string(affix) + std::string(rest), key.substr(0, dot), rest)) return true;
    }
    return false;
  }

  // partial0: nothing of the key is left. The affix loses its last dot, unless that is all of it.
  bool try_affix_alone() {
    std::string_view affix = call_.spec.partial_affix;
    if (affix.empty()) return false;
    if (affix.size() > 1 && affix.ends_with('.')) affix.remove_suffix(1);
    return try_key(affix, call_.key, "");
  }

  bool try_defaults() {
    const std::string_view key = call_.key;
    const size_t at = key.rfind('@');
    if (call_.spec.fallback == LookupFallback::star_at && at != std::string_view::npos && at > 0 &&
        try_key("*" + std::string(key.substr(at)), key.substr(0, at), "")) {
      return true;
    }
    return try_key("*", key, "");
  }

  LookupParts& parts_;
  const LookupCall& call_;
  std::optional<Result<LookupFound>> result_;
};

std::string question_key(const LookupType& type, std::string_view options, std::string_view file,
                         std::string_view key) {
  std::string text;
  text.reserve(type.name.size() + options.size() + file.size() + key.size() + 24);
  text += type.name;
  text += ',';
  text += options;
  text += ' ';
  append_decimal(text, file.size());
  text += ' ';
  text += file;
  text += key;
  return text;
}

Result<LookupFound> search(LookupParts& parts, const LookupCall& call) {
  const LookupType& type = *call.spec.type;
  if (type.type_class == LookupClass::query) {
    if (!type.shareable) return type.find(parts, call);
    const std::string key = question_key(type, call.spec.options, {}, call.key);
    return parts.shared.get(key, [&] { return type.find(parts, call); });
  }
  if (type.type_class == LookupClass::abs_file && !call.file.starts_with('/')) {
    return deferred("absolute file name expected for \"" + std::string(type.name) + "\" lookup");
  }
  if (call.key.size() > kKeyBytesMax) return LookupFound();
  Result<LookupFound> result = KeySearch(parts, call).run();
  if (result && result->has_value() && call.options.is("ret", "key"))
    result.value()->value = call.key;
  return result;
}

}  // namespace

LookupParts::LookupParts(Loop& the_loop, LookupSetOptions the_options)
    : loop(the_loop),
      options(std::move(the_options)),
      pool(loop),
      line_files(pool, options.lookup_open_max, "linear search"),
      wild_files(pool, options.lookup_open_max, "linear search"),
      address_files(pool, options.lookup_open_max, "linear search"),
      json_files(pool, options.lookup_open_max, "json search"),
      cdbs(options.lookup_open_max),
      lmdbs(options.lookup_open_max),
      sqlite(pool, options.sqlite_lock_timeout),
      redis(loop, pool, options.redis_servers),
      pgsql(loop, pool, pgsql_dialect(), options.pgsql_servers),
      mysql(loop, pool, mysql_dialect(), options.mysql_servers) {}

LookupSet::LookupSet(Loop& loop, LookupSetOptions options)
    : parts_(std::make_unique<LookupParts>(loop, std::move(options))) {}

LookupSet::~LookupSet() = default;

Task<void> LookupSet::close() {
  co_await parts_->redis.close();
  co_await parts_->pgsql.close();
  co_await parts_->mysql.close();
}

Result<std::optional<LookupAnswer>> LookupSet::find(const LookupQuestion& question) {
  const LookupOptions options(question.spec.options);
  return search(*parts_, LookupCall{question.spec, options, question.file, question.key,
                                    question.expander, 0});
}

Result<std::string> LookupSet::run_redis_script(const RedisScript& script,
                                                const std::vector<std::string>& arguments) {
  return parts_->redis.run_script(script, arguments);
}

Result<LookupFound> find_nested(LookupParts& parts, const LookupCall& outer,
                                const KeyPattern& pattern) {
  if (static_cast<size_t>(outer.nesting) >= kNestedLookupsMax)
    return deferred("lookups in keys of lookups are nested too deep");
  const LookupSpec& spec = pattern.spec();
  const LookupOptions options(spec.options);
  const bool is_query = spec.query_style;
  return search(
      parts, LookupCall{spec, options, is_query ? std::string_view() : pattern.file(),
                        is_query ? pattern.file() : outer.key, outer.expander, outer.nesting + 1});
}

Result<std::optional<LookupAnswer>> MessageLookups::find(const LookupQuestion& question) {
  const LookupSpec& spec = question.spec;
  const LookupOptions options(spec.options);
  std::string form(spec.options);
  if (spec.partial_labels >= 0) {
    form += " partial";
    append_decimal(form, static_cast<uint64_t>(spec.partial_labels));
    form += spec.partial_affix;
  }
  form += spec.fallback == LookupFallback::none ? "" : " *";
  form += spec.fallback == LookupFallback::star_at ? "@" : "";
  std::string key = question_key(*spec.type, form, question.file, question.key);
  if (!options.is("cache", "no_rd")) {
    const auto place = answers_.find(key);
    if (place != answers_.end()) {
      if (question.was_cached != nullptr) *question.was_cached = true;
      return place->second;
    }
  }
  Result<LookupFound> result = lookups_->find(question);
  const bool keeps = result && !options.is("cache", "no_wr") &&
                     (!result->has_value() || result->value().cacheable);
  if (!keeps) return result;
  if (answers_.size() >= kCachedAnswersMax) answers_.clear();
  answers_.insert_or_assign(std::move(key), *result);
  return result;
}

}  // namespace godwit::acl
