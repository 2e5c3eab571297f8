// A small reader of the JSON files of shared/data: values as a tree, for tests only.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::test {

struct Json {
  enum class Kind { null, boolean, number, string, array, object };

  Kind kind = Kind::null;
  bool boolean = false;
  double number = 0;
  std::string string;
  std::vector<Json> items;
  std::map<std::string, Json> members;

  // The member, or a null value.
  const Json& operator[](const std::string& name) const;
};

// A null value where the text is not JSON.
Json parse_json(std::string_view text);

// The path of a file of shared/data: under $GODWIT_SHARED, or beside the source tree. Empty where
// it is absent: the test is to be skipped with a line that says so.
std::string shared_data(std::string_view source_dir, std::string_view file);

std::string from_hex(std::string_view hex);

}  // namespace godwit::test
