// Items that ask somebody: ACLs, the environment, files.
#include "acl/expand/arguments.h"
#include "acl/expand/call_acl.h"
#include "acl/expand/items.h"
#include "acl/expand/outside.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace godwit::acl {
namespace {

struct FileAnswer {
  std::string text;
  int error = 0;
  bool too_long = false;
};

FileAnswer read_now(const std::string& path) {
  FileAnswer answer;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) {
    answer.error = errno;
    return answer;
  }
  std::array<char, 16 * 1024> buffer{};
  while (true) {
    const ssize_t count = ::read(file, buffer.data(), buffer.size());
    if (count <= 0) break;
    answer.text.append(buffer.data(), static_cast<size_t>(count));
    answer.too_long = answer.text.size() > kReadFileBytesMax;
    if (answer.too_long) break;
  }
  ::close(file);
  return answer;
}

}  // namespace

EvalStatus call_acl(const std::vector<Value>& arguments, EvalContext& context,
                    AclOutcome& outcome) {
  const Value& name = arguments.front();
  if (name.tainted)
    return fail(context, "attempt to use tainted string '" + name.text + "' for ACL name");
  const AclCaller* acls = context.services == nullptr ? nullptr : context.services->acls;
  const DepthGuard guard(context);
  if (guard.too_deep()) return fail(context, "ACLs are nested too deeply");
  if (acls == nullptr) return fail(context, "ERROR from acl \"" + name.text + "\"");
  std::vector<std::string> words;
  bool tainted = false;
  for (size_t i = 1; i < arguments.size(); ++i) {
    words.push_back(arguments[i].text);
    tainted |= arguments[i].tainted;
  }
  const StateGuard state(context);
  const bool before = std::exchange(context.acl_args_tainted, tainted);
  outcome.verdict = acls->call_acl(name.text, std::move(words), context, outcome.message);
  context.acl_args_tainted = before;
  if (outcome.verdict != AclCaller::Verdict::error) return EvalStatus::ok;
  return fail(context,
              outcome.message.empty() ? "ERROR from acl \"" + name.text + "\"" : outcome.message);
}

// ${acl{name}{argument}...}: its message, whether it accepts or denies.
EvalStatus run_acl(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  AclOutcome outcome;
  const EvalStatus called = call_acl(args, context, outcome);
  if (called != EvalStatus::ok) return called;
  if (outcome.verdict == AclCaller::Verdict::defer) {
    context.error = "DEFER from acl \"" + args[0].text + "\"";
    return EvalStatus::forced_fail;
  }
  out += outcome.message;
  return EvalStatus::ok;
}

EvalStatus run_env(const Node& node, EvalContext& context, std::string& out) {
  Value name;
  const EvalStatus status = read_value(node.parts[0], context, name);
  if (status != EvalStatus::ok) return status;
  const char* value = name.text.empty() ? nullptr : std::getenv(name.text.c_str());
  return finish_tail(node, context, value != nullptr, value == nullptr ? "" : value, false, out);
}

EvalStatus run_readfile(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  const std::string& path = args[0].text;
  if (args[0].tainted) return fail(context, "Tainted filename '" + path + "'");
  Loop* loop = loop_for_waiting(context, "a file");
  if (loop == nullptr) return EvalStatus::deferred;
  const FileAnswer answer = on_pool(*loop, [&path] { return read_now(path); });
  if (answer.error != 0) {
    return fail(context, "failed to open " + path + ": " + std::strerror(answer.error));
  }
  if (answer.too_long) return fail(context, "the file " + path + " is too long");
  append_lines(answer.text, args, 1, out);
  return EvalStatus::ok;
}

}  // namespace godwit::acl
