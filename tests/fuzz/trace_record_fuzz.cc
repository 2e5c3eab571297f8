// Files of --explain, as anybody might have changed them: what is read is written the same.
#include "acl/expand/trace_record.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using godwit::acl::TraceRecord;
  TraceRecord record;
  (void)record.add_lines({reinterpret_cast<const char*>(data), size});
  TraceRecord again;
  if (!again.add_lines(record.to_lines())) __builtin_trap();
  if (again.to_json() != record.to_json() || again.to_text() != record.to_text()) __builtin_trap();
  return 0;
}
