// Any bytes as an expandable string: compile and evaluate.
#include "acl/lists/lists.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit::acl;
  const NamedLists lists;
  CompileOptions options;
  options.lists = &lists;
  options.tolerate_unavailable = size > 0 && data[0] % 2 == 0;
  const auto expansion =
      compile_expansion(std::string_view(reinterpret_cast<const char*>(data), size), options);
  if (!expansion) return 0;
  ServerFacts server;
  server.primary_hostname = "mx.test";
  EvalContext context;
  context.server = &server;
  context.captures = {"whole", "one"};
  (void)expansion->evaluate(context);
  return 0;
}
