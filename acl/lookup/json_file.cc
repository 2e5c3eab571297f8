#include "acl/lookup/json_file.h"

#include "acl/lookup/finders.h"
#include "acl/lookup/limits.h"
#include "acl/lookup/parts.h"
#include "core/base/ascii.h"
#include "core/config/values.h"

#include <nlohmann/json.hpp>

namespace godwit::acl {
namespace {

using Value = nlohmann::json;

// The library walks trees with the stack.
bool is_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kJsonDepthMax) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

std::string scalar_text(const Value& value) {
  return value.dump(-1, ' ', false, Value::error_handler_t::replace);
}

// With a space after colons and commas, as Exim writes it.
void append_json(std::string& out, const Value& value) {
  if (!value.is_structured()) {
    out += scalar_text(value);
    return;
  }
  out += value.is_object() ? '{' : '[';
  bool first = true;
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (!first) out += ", ";
    first = false;
    if (value.is_object()) {
      out += scalar_text(Value(item.key()));
      out += ": ";
    }
    append_json(out, *item);
  }
  out += value.is_object() ? '}' : ']';
}

std::string text_of(const Value& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return {};
  std::string out;
  append_json(out, value);
  return out;
}

// The member or element; null where there is none.
const Value* select(const Value& value, const std::string& selector) {
  if (value.is_object()) {
    const auto member = value.find(selector);
    return member == value.end() ? nullptr : &*member;
  }
  const std::optional<uint64_t> index = parse_decimal(selector);
  if (!value.is_array() || !index || *index >= value.size()) return nullptr;
  return &value[static_cast<size_t>(*index)];
}

}  // namespace

struct JsonFile::Tree {
  Value root;
};

Result<JsonFile> JsonFile::parse(std::string bytes, const std::string& path) {
  if (is_too_deep(bytes)) return deferred("json file " + path + " is nested too deep");
  auto tree = std::make_shared<Tree>();
  tree->root = Value::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (tree->root.is_discarded()) return deferred("json file " + path + " is not valid JSON");
  JsonFile file;
  file.tree_ = std::move(tree);
  return file;
}

std::optional<std::string> JsonFile::find(std::string_view selectors) const {
  const Value* value = &tree_->root;
  for (const std::string& selector : config::split_list(selectors)) {
    value = select(*value, selector);
    if (value == nullptr) return std::nullopt;
  }
  return text_of(*value);
}

Result<LookupFound> find_json(LookupParts& parts, const LookupCall& call) {
  const auto file = parts.json_files.get(call.file);
  if (!file) return file.error();
  std::optional<std::string> value = (*file)->find(call.key);
  if (!value) return LookupFound();
  return found(std::move(*value));
}

}  // namespace godwit::acl
