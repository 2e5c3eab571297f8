// The ACLs of a configuration: compiled with everything that is checked at load, and evaluated for
// a recipient where they are good. Nothing can be asked.
#include "acl/policy/policy.h"
#include "core/config/files.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  config::MemoryFiles files;
  files.put("exim.conf", "acl_smtp_rcpt = a\ndomainlist local = a.b\nbegin acl\na:\n" +
                             std::string(input) + "\n");
  config::Diagnostics diagnostics;
  const auto document = config::read_document("exim.conf", files, {}, diagnostics);
  const auto policy = acl::compile_policy(document, diagnostics);
  if (diagnostics.has_errors()) {
    diagnostics.render_all();
    return 0;
  }
  acl::ServerFacts server;
  acl::ConnectionFacts connection;
  acl::MessageFacts message;
  acl::AddressFacts address;
  acl::AclVariables connection_variables;
  acl::AclVariables message_variables;
  connection.sender_host = Endpoint{*IpAddress::parse("192.0.2.1"), 25};
  message.sender_address = "a@b.c";
  address.local_part = address.original_local_part = "joe";
  address.domain = address.original_domain = "a.b";
  acl::EvalContext context;
  context.server = &server;
  context.connection = &connection;
  context.message = &message;
  context.address = &address;
  context.connection_variables = &connection_variables;
  context.message_variables = &message_variables;
  policy->acls().evaluate(policy->acl(acl::AclWhere::rcpt), acl::AclWhere::rcpt, context);
  return 0;
}
