#include "daemon/submission_report.h"

#include "core/io/fiber.h"
#include "protocol/message/submission.h"

#include <cstdio>

namespace godwit::daemon {
namespace {

Task<std::string> expand_from(const ServerConfig& config, acl::EvalContext& context) {
  auto expanding = [&] { return config.policy->expansion("dsn_from").evaluate(context).text; };
  co_return co_await on_fiber(expanding);
}

std::string from_text(const ServerConfig& config, LocalShard& shard, WallTime now) {
  MessageServices asks(shard.evaluators().get());
  acl::EvalContext context;
  context.services = &asks.get();
  context.server = &config.facts;
  context.now = now;
  return shard.wait(expand_from(config, context));
}

// The message as it came, up to `bytes_max`.
std::string copy_of(std::string_view input, int64_t bytes_max) {
  const size_t limit = bytes_max > 0 ? static_cast<size_t>(bytes_max) : input.size();
  std::string out = "\r\n------ The message follows";
  if (input.size() > limit) out += " (its first " + std::to_string(limit) + " bytes)";
  out += " ------\r\n\r\n";
  return out + message::wire_lines(input.substr(0, limit), false);
}

}  // namespace

SubmissionFailure failure_of(const Error& error) {
  SubmissionFailure out;
  out.sentence = error.detail();
  out.text = "The message below was not accepted:\r\n\r\n  " + error.detail() +
             "\r\n\r\nNobody has got it.\r\n";
  switch (error.code()) {
    case Errc::malformed:
      out.subject = "malformed recipient address";
      break;
    case Errc::not_found:
      out.subject = "no recipient addresses";
      break;
    case Errc::too_long:
      out.subject = "message too big";
      break;
    case Errc::too_many:
      out.subject = "too many header lines or recipients";
      break;
    default:
      out.subject = "message not accepted";
      break;
  }
  return out;
}

Result<void> SubmissionReporter::open() {
  if (is_open_) return {};
  const Result<void> opened = shard_.open(shard_name_);
  is_open_ = opened.has_value();
  return opened;
}

int SubmissionReporter::tell(const SubmissionFailure& failure, std::string_view input,
                             const std::string& id) {
  if (prints()) {
    std::fprintf(stderr, "godwit: %s\n", failure.sentence.c_str());
    return 1;
  }
  const int status = line_.error_report == ErrorReport::mail_and_succeed ? 0 : 1;
  if (sender_.empty()) {
    shard_.log().main(
        LogEvent::note, "",
        "Error while reading message with no usable sender address: " + failure.sentence);
    return 1;
  }
  const WallTime now = shard_.loop().clock().wall();
  const config::MainOptions& options = config_->options();
  const std::string headers =
      "Auto-Submitted: auto-replied\r\nFrom: " + from_text(*config_, shard_, now) +
      "\r\nTo: " + sender_ + "\r\nDate: " + format_rfc5322_time(now, config_->log_style.utc) +
      "\r\nSubject: Mail failure - " + failure.subject + "\r\n";
  const std::string body = failure.text + copy_of(input, options.bounce_return_size_limit);
  const Result<void> opened = open();
  const Result<void> sent =
      opened ? shard_.wait(shard_.queue().inject_message({}, {sender_}, headers, body, id))
             : opened;
  if (sent) return status;
  std::fprintf(stderr, "godwit: %s\n", failure.sentence.c_str());
  return 1;
}

}  // namespace godwit::daemon
