// The lines of a retry section: compiled, and asked about a host, an address and an error.
#include "core/config/files.h"
#include "delivery/retry/retry.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  config::MemoryFiles files;
  files.put("exim.conf", "begin retry\n" + std::string(input) + "\n");
  config::Diagnostics diagnostics;
  const auto document = config::read_document("exim.conf", files, {}, diagnostics);
  const acl::NamedLists lists;
  retry::RetryRules::compile(document, lists, diagnostics);
  diagnostics.render_all();
  return 0;
}
