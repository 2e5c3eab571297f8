// Parsed files of nwildlsearch (patterns) and iplsearch (networks); plain lsearch uses LineFile.
#pragma once

#include "acl/lookup/key_pattern.h"
#include "acl/lookup/line_file.h"
#include "core/base/ip_address.h"

#include <optional>
#include <string>
#include <vector>

namespace godwit::acl {

struct WildFile {
  LineFile lines;
  std::vector<KeyPattern> patterns;  // of the lines' keys

  static Result<WildFile> parse(std::string bytes, const std::string& path);
};

struct AddressFile {
  LineFile lines;
  std::vector<std::optional<Cidr>> networks;  // of the lines' keys; nothing for other keys

  static Result<AddressFile> parse(std::string bytes, const std::string& path);
};

}  // namespace godwit::acl
