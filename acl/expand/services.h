// What evaluators may ask of the world, as pointers that the daemon fills once a worker. Null: not
// there (a compile-time check, a unit test); who needs it fails with a clear message. Whatever
// waits does so on the current fiber (core/io/fiber.h), so that evaluators stay plain functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit {
class Loop;
}
namespace godwit::hints {
class Database;
}
namespace godwit::dns {
class Resolver;
}

namespace godwit::acl {

class ListCompiler;
class Lookups;
struct EvalContext;

// Runs a named ACL for `${acl` and the condition `acl`; acl/policy implements it.
class AclCaller {
 public:
  enum class Verdict : uint8_t { accept, deny, defer, error };
  virtual ~AclCaller() = default;
  // `message` gets the user message of the ACL, or why it could not run. $acl_arg1... are set.
  virtual Verdict call_acl(std::string_view name, std::vector<std::string> args,
                           EvalContext& context, std::string& message) const = 0;
};

struct Services {
  Loop* loop = nullptr;
  Lookups* lookups = nullptr;
  dns::Resolver* resolver = nullptr;
  const AclCaller* acls = nullptr;
  hints::Database* rates = nullptr;     // of ratelimit
  hints::Database* seen = nullptr;      // of seen
  const ListCompiler* lists = nullptr;  // for what is compiled at run time: ${expand, ${listnamed
};

}  // namespace godwit::acl
