#include "daemon/trace_text.h"

#include "core/base/ascii.h"
#include "core/io/clock.h"
#include "delivery/queue/queue.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>

namespace godwit::daemon {

using acl::TraceEvent;
using acl::TraceKind;

namespace {

std::string quoted(std::string_view text) {
  return "\"" + escape_control(text) + "\"";
}

}  // namespace

TextTrace::TextTrace(const config::Sources& sources, const std::optional<DebugSelectors>& more)
    : sources_(sources),
      selectors_(more.value_or(*parse_debug_selectors("-all+acl+lists+route"))),
      prefix_(">>> ") {}

TextTrace::TextTrace(const config::Sources& sources, DebugSelectors selectors)
    : sources_(sources), selectors_(selectors) {}

void TextTrace::line(const std::string& text) const {
  std::string out;
  if (selectors_.has(DebugSelector::timestamp)) {
    const std::time_t now = SystemClock().wall().seconds();
    std::tm parts{};
    char time[16];
    if (localtime_r(&now, &parts) != nullptr && std::strftime(time, sizeof time, "%T ", &parts) > 0)
      out += time;
  }
  if (selectors_.has(DebugSelector::pid)) out += std::to_string(::getpid()) + " ";
  out += prefix_;
  out.append(acls_.empty() ? 0 : acls_.size() - 1, ' ');
  std::fprintf(stderr, "%s%s\n", out.c_str(), text.c_str());
}

void TextTrace::event(const TraceEvent& event) {
  const bool is_delivery = event.kind <= TraceKind::command_end && !event.name.empty();
  // debug_print is shown whatever is selected.
  const bool is_wanted = event.kind == TraceKind::debug_print;
  if (!is_wanted && !selectors_.has(is_delivery ? DebugSelector::deliver : selector_of(event.kind)))
    return;
  if (event.kind <= TraceKind::message) {
    acl_event(event);
  } else {
    other_event(event);
  }
}

void TextTrace::acl_event(const TraceEvent& event) {
  const std::string name(event.name);
  const std::string text(event.text);
  const std::string result(event.result);
  const std::string acl = name.empty() ? "inline ACL" : "ACL \"" + name + "\"";
  switch (event.kind) {
    case TraceKind::acl_begin:
      acls_.push_back(acl);
      if (!name.empty()) line("using " + acl);
      break;
    case TraceKind::acl_end:
      line("end of " + acl + ": " + result);
      if (!acls_.empty()) acls_.pop_back();
      break;
    case TraceKind::statement:
      line("processing \"" + name + "\" (" + std::string(sources_.name(event.place.file)) + " " +
           std::to_string(event.place.line) + ")");
      break;
    case TraceKind::statement_end:
      line(name + ": condition test " + result + (acls_.empty() ? "" : " in " + acls_.back()));
      break;
    case TraceKind::condition: {
      const std::string check = "check " + name + " ";
      value_indent_ = check.size();
      line(check + "= " + text);
      break;
    }
    case TraceKind::value:
      line(std::string(value_indent_, ' ') + "= " + result);
      break;
    case TraceKind::message:
      line((name == "message" ? "  message: " : "l_message: ") + text);
      break;
    case TraceKind::command_begin:
      if (!name.empty()) return line(text);
      line(text.empty() ? "connection" : "SMTP<< " + escape_control(text));
      break;
    case TraceKind::command_end:
      if (!name.empty()) return line(text + ": " + result);
      if (!result.empty()) line("SMTP>> " + escape_control(result));
      break;
    default:
      break;
  }
}

void TextTrace::other_event(const TraceEvent& event) const {
  const std::string name(event.name);
  const std::string text(event.text);
  const std::string result(event.result);
  switch (event.kind) {
    case TraceKind::list:
      line(name + " in " + text + "? " + result);
      break;
    case TraceKind::lookup:
      line("lookup " + name + " " + quoted(event.text) +
           (event.file.empty() ? "" : " in " + std::string(event.file)) + ": " + result +
           (event.cached ? " (from the cache)" : ""));
      break;
    case TraceKind::expansion_begin:
      line("expanding: " + text);
      break;
    case TraceKind::expansion:
      line("   " + (name.empty() ? "result: " : name + ": ") + result);
      break;
    case TraceKind::address_begin:
      line("routing " + text);
      break;
    case TraceKind::address_end:
      line(text + ": " + result);
      break;
    case TraceKind::router:
      line("router " + name + " " + text + ": " + result);
      break;
    case TraceKind::variable:
      line("set " + name + " = " + quoted(event.result));
      break;
    case TraceKind::dns:
      line("DNS lookup of " + text + ": " + result);
      break;
    case TraceKind::rewrite:
      line("address " + text + " rewritten as " + result + " (" + name + ")");
      break;
    case TraceKind::retry:
      line("retry data for " + text + ": " + result);
      break;
    case TraceKind::host:
      line("host " + text + ": " + result);
      break;
    case TraceKind::transport:
      line("transport " + name + " " + text + ": " + result);
      break;
    case TraceKind::dnsbl:
      line("DNS list lookup of " + text + ": " + result);
      break;
    case TraceKind::tls:
      line("TLS session of " + text + ": " + result);
      break;
    case TraceKind::exec:
      line("child process " + text + ": " + result);
      break;
    case TraceKind::load:
      line("load average " + result + " (" + text + ")");
      break;
    case TraceKind::hints:
      line("hints for " + text + ": " + result);
      break;
    case TraceKind::verify:
      line("verify " + name + " " + text + ": " + result);
      break;
    case TraceKind::interface:
      line("interface " + text + ": " + result);
      break;
    case TraceKind::resolver:
      line("DNS question " + text + ": " + result);
      break;
    case TraceKind::queue_run:
      line("queue run " + text + ": " + result);
      break;
    case TraceKind::uid:
      line(text + " runs as " + result);
      break;
    case TraceKind::debug_print:
    case TraceKind::note:
      line(text);
      break;
    default:
      break;
  }
}

void Debugging::tell_user(const std::string& process) {
  acl::tell(trace(), {TraceKind::uid,
                      {},
                      process,
                      "uid=" + std::to_string(::geteuid()) + " gid=" + std::to_string(::getegid()),
                      {}});
}

void Debugging::tell_queue_run(const delivery::QueueRun& run) {
  const std::string queue = run.queue_name.empty() ? "" : " of queue " + run.queue_name;
  std::string what = run.match.empty() ? "all messages" : "recipients with " + quoted(run.match);
  if (run.first_only) what = "new messages";
  if (run.with_frozen) what += ", frozen ones too";
  if (run.forced) what += ", whatever the retry times say";
  acl::tell(trace(), {TraceKind::queue_run, {}, "begins" + queue, what, {}});
}

void DebugPrintTrace::event(const TraceEvent& event) {
  if (event.kind != TraceKind::debug_print) return;
  std::fprintf(stderr, "%s\n", std::string(event.text).c_str());
}

void TestLog::write(const LogRecord& record) {
  const std::string id(record.message_id);
  std::fprintf(stderr, "LOG: %s%s%s\n", id.c_str(), id.empty() ? "" : " ",
               escape_control(record.text).c_str());
}

}  // namespace godwit::daemon
