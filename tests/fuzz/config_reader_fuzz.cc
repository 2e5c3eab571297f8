// Any bytes as a configuration that includes itself: read, type, compile, render. No crash, no
// sanitizer report, bounded time.
#include "acl/policy/policy.h"
#include "delivery/retry/retry.h"

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit;
  config::MemoryFiles files;
  files.put("exim.conf", std::string(reinterpret_cast<const char*>(data), size));
  config::Diagnostics diagnostics;
  const auto document = config::read_document("exim.conf", files, {}, diagnostics);
  const auto policy = acl::compile_policy(document, diagnostics);
  retry::RetryRules::compile(document, *policy->lists(), diagnostics);
  for (const config::Diagnostic& problem : diagnostics.all()) {
    diagnostics.render_short(problem);
  }
  diagnostics.render_all();
  return 0;
}
