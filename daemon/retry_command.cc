// -brt: the retry rule for an address or a domain. EXIM.md 4.1.
#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "core/io/scope.h"
#include "daemon/commands.h"
#include "daemon/services.h"

#include <cstdio>

namespace godwit::daemon {
namespace {

struct Asked {
  std::string key;
  std::string host;  // empty: none was given
  retry::Failure failure;
};

Task<void> show_rule(const Asked& asked, const CommandLine& line, const ServerConfig& config,
                     EvaluatorServices& services, bool& done) {
  acl::EvalContext context;
  context.services = &services.get();
  context.server = &config.facts;
  context.now = SystemClock().wall();
  auto asking = [&] {
    return config.delivery->retry->find(asked.key, asked.host, asked.failure, line.sender, context);
  };
  const retry::RetryRule* rule = co_await on_fiber(asking);
  if (rule == nullptr) {
    std::printf("No retry information found\n");
  } else {
    std::printf("Retry rule: %s\n", rule->text().c_str());
  }
  co_await services.close();
  done = true;
}

}  // namespace

int test_retry(const CommandLine& line, const ConfigPointer& config) {
  if (line.arguments.empty()) {
    std::fprintf(stderr, "-brt needs a domain or address argument\n");
    return 1;
  }
  Asked asked;
  asked.key = line.arguments[0];
  if (asked.key.find_first_of("@.") == std::string::npos) {
    std::printf(
        "Warning: \"%s\" contains no '@' and no '.' characters. It is being \n"
        "treated as a one-component domain, not as a local part.\n\n",
        asked.key.c_str());
  }
  size_t at = 1;
  if (line.arguments.size() > at && line.arguments[at].find('.') != std::string::npos)
    asked.host = line.arguments[at++];
  if (line.arguments.size() > at) {
    const std::optional<retry::Failure> failure =
        retry::RetryRules::failure_named(line.arguments[at], *config->policy->lists());
    if (!failure) {
      std::fprintf(stderr, "unknown or malformed retry error \"%s\"\n",
                   escape_control(line.arguments[at]).c_str());
      return 1;
    }
    asked.failure = *failure;
  }
  Loop loop;
  bool done = false;
  EvaluatorServices services(loop, config);
  Scope scope;
  scope.spawn(show_rule(asked, line, *config, services, done));
  while (!done) loop.run_once();
  return 0;
}

}  // namespace godwit::daemon
