#include "dns/resolver.h"

#include "core/io/fiber.h"

namespace godwit::dns {

Result<Answer> ask(Resolver& resolver, std::string name, RrType type, QueryOptions options) {
  Task<Result<Answer>> question = resolver.query(std::move(name), type, options);
  if (Fiber::is_current()) return wait_for(std::move(question));
  question.start();
  if (question.done()) return question.take();
  return Error(Errc::dns_failed, "nothing can wait for the DNS here");
}

}  // namespace godwit::dns
