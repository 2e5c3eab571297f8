#include "dns/resolver.h"

namespace godwit::dns {

Result<Answer> ask(Resolver& resolver, std::string name, RrType type, QueryOptions options) {
  return wait_here(resolver.query(std::move(name), type, options));
}

}  // namespace godwit::dns
