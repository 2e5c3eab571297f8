// Any bytes as an expandable string: compile and evaluate, with facts that come from the same
// bytes. Nothing can be asked here: what would have to wait is deferred.
#include "acl/expand/services.h"
#include "acl/lists/lists.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit::acl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const NamedLists lists;
  CompileOptions options;
  options.lists = &lists;
  options.tolerate_unavailable = size > 0 && data[0] % 2 == 0;
  const auto expansion = compile_expansion(text, options);
  if (!expansion) return 0;
  ServerFacts server;
  server.primary_hostname = "mx.test";
  MessageFacts message;
  message.headers = "Subject: " + std::string(text) + "\nTo: a@b\n c@d\nTo: e@f\n";
  message.sender_address = "sender@example.org";
  AclVariables variables;
  variables["acl_m_text"] = AclValue(std::string(text), true);
  variables["acl_m_list"] = "a:b:c";
  Services services;
  services.lists = &lists;
  EvalContext context;
  context.services = &services;
  context.server = &server;
  context.message = &message;
  context.message_variables = &variables;
  context.captures = {"whole", "one"};
  (void)expansion->evaluate(context);
  return 0;
}
