#include "daemon/trace_text.h"

#include <cstdio>

namespace godwit::daemon {

using acl::TraceEvent;
using acl::TraceKind;

void TextTrace::line(const std::string& text) const {
  const std::string indent(acls_.empty() ? 0 : acls_.size() - 1, ' ');
  std::fprintf(stderr, ">>> %s%s\n", indent.c_str(), text.c_str());
}

void TextTrace::event(const TraceEvent& event) {
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
    case TraceKind::list:
      line(name + " in " + text + "? " + result);
      break;
    case TraceKind::lookup:
      line("lookup " + name + " \"" + text + "\": " + result);
      break;
    case TraceKind::router:
      line("router " + name + " " + text + ": " + result);
      break;
    case TraceKind::note:
      line(text);
      break;
  }
}

void TestLog::write(const LogRecord& record) {
  const std::string id(record.message_id);
  std::fprintf(stderr, "LOG: %s%s%.*s\n", id.c_str(), id.empty() ? "" : " ",
               static_cast<int>(record.text.size()), record.text.data());
}

}  // namespace godwit::daemon
