// smtp-source: sends test messages over SMTP or LMTP and measures how long each step takes.
// Exit status 0 where all went as expected, 1 for trouble, 2 where the time limit ended the run.
#include "bench/common/process.h"
#include "bench/source/run.h"
#include "core/io/signals.h"

#include <csignal>
#include <cstdio>
#include <string_view>
#include <vector>

namespace {

using namespace godwit;
using namespace godwit::bench;

int fail(const Error& error) {
  const std::string& text = error.detail().empty() ? error.to_string() : error.detail();
  std::fprintf(stderr, "smtp-source: %s\n", text.c_str());
  return 1;
}

void on_signal(void* self) noexcept {
  static_cast<Run*>(self)->interrupt();
}

int run_source(const SourceOptions& options, Target target) {
  const uint32_t id = static_cast<uint32_t>(Random::from_system().next());
  Result<ContentSet> contents = ContentSet::make(options, id);
  if (!contents) return fail(contents.error());
  const std::string target_text = target.to_string();
  Loop loop;
  Run run(loop, options, std::move(target), std::move(*contents), id);
  SignalWatcher on_interrupt(loop, SIGINT, &on_signal, &run);
  SignalWatcher on_terminate(loop, SIGTERM, &on_signal, &run);
  const int status = run.execute();
  if (!options.quiet) std::fputs(run.report().to_text().c_str(), stdout);
  if (options.json.empty()) return status;
  const Result<void> written =
      write_file(options.json, run.report().to_json(options, target_text, id));
  return written ? status : fail(written.error());
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const Result<SourceOptions> options = parse_source_options(arguments);
  if (!options) return fail(options.error());
  if (options->help) {
    std::fputs(source_help().c_str(), stdout);
    return 0;
  }
  constexpr uint16_t kSmtpPort = 25;
  Result<Target> target =
      resolve_target(options->target, {}, kSmtpPort, options->family, options->allow_non_loopback);
  if (!target) return fail(target.error());
  raise_descriptor_limit();
  return run_source(*options, std::move(*target));
}
