#include "delivery/transport/transport_filter.h"

#include "core/io/process.h"

#include <utility>

namespace godwit::delivery {
namespace {

// What a filter may make of a message.
constexpr size_t kFilterOutputBytesMax = 256 * 1024 * 1024;
constexpr int kCannotRun = 127;  // what a shell says of a command that is not there

// Line ends as they are on the wire; the last line has one.
std::string to_wire(std::string_view text) {
  MailboxTextOptions options;
  options.use_crlf = true;
  MailboxText wire(options);
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  wire.add_body(text, out);
  wire.finish(out);
  return out;
}

std::string failure(int status) {
  return "transport filter process failed (" + std::to_string(status) + ")" +
         (status == kCannotRun ? ": unable to execute command" : "");
}

}  // namespace

Task<Filtered> run_filter(Loop& loop, const MessageContent& content, FilterRun filter) {
  Filtered out;
  Result<std::string> text = co_await whole_text(content, {}, {}, {});
  if (!text) {
    out.problem = "the message could not be read: " + text.error().to_string();
    co_return out;
  }
  ProcessOptions process;
  process.arguments = std::move(filter.arguments);
  process.directory = std::move(filter.directory);
  process.input = std::move(*text);
  process.merge_error = true;
  process.output_bytes_max = kFilterOutputBytesMax;
  process.timeout = filter.timeout.count == 0 ? Millis{INT32_MAX} : Millis(filter.timeout);
  if (filter.who) become(*filter.who, process);
  const Result<ProcessOutcome> ended = co_await run_process(loop, std::move(process));
  if (ended && ended->exit_status == 0 && ended->signal == 0) {
    out.content = content.with_text(to_wire(ended->output));
    co_return out;
  }
  if (ended) {
    out.problem = ended->signal == 0 ? failure(ended->exit_status)
                                     : "transport filter process was ended by signal " +
                                           std::to_string(ended->signal);
    co_return out;
  }
  switch (ended.error().code()) {
    case Errc::timed_out:
      out.timed_out = true;
      out.problem = "transport filter timeout";
      break;
    case Errc::not_found:
    case Errc::permission_denied:
      out.problem = failure(kCannotRun);
      break;
    default:
      out.problem = "transport filter: " + ended.error().to_string();
      break;
  }
  co_return out;
}

}  // namespace godwit::delivery
