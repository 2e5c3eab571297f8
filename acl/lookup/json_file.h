// JSON files for lookups by a path of keys and indices. The parsed tree is kept with the file; only
// json_file.cc sees the library.
#pragma once

#include "core/base/result.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::acl {

class JsonFile {
 public:
  // Error: no JSON, or nested too deep.
  static Result<JsonFile> parse(std::string bytes, const std::string& path);
  // `selectors` is a list: names of members and indices of arrays, the outermost first. Text comes
  // without quotes, numbers and words as they are, objects and arrays as JSON; null is empty.
  std::optional<std::string> find(std::string_view selectors) const;

 private:
  struct Tree;
  std::shared_ptr<const Tree> tree_;
};

}  // namespace godwit::acl
