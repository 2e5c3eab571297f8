// Items that ask somebody: ACLs, the environment, files, sockets.
#include "acl/expand/arguments.h"
#include "acl/expand/call_acl.h"
#include "acl/expand/host_addresses.h"
#include "acl/expand/items.h"
#include "acl/expand/outside.h"
#include "acl/expand/parser.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/values.h"
#include "core/io/uv_stream.h"

#include <fcntl.h>
#include <sys/socket.h>
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

// Line ends become `eol`, where it was given.
void append_lines(std::string_view text, const std::vector<Value>& args, size_t eol,
                  std::string& out) {
  if (args.size() <= eol) {
    out += text;
    return;
  }
  for (char c : text) {
    if (c == '\n') {
      out += args[eol].text;
    } else {
      out += c;
    }
  }
}

struct SocketPlace {
  std::string path;  // of a unix socket
  std::string host;
  uint16_t port = 0;
  std::vector<IpAddress> addresses;  // of `host`, tried in turn
  std::string problem;
};

// "/path", "inet:host:port".
SocketPlace read_place(std::string_view text) {
  SocketPlace place;
  if (!text.starts_with("inet:")) {
    place.path = text;
    return place;
  }
  text.remove_prefix(5);
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    place.problem = "missing port for readsocket " + std::string(text);
    return place;
  }
  place.host = text.substr(0, colon);
  std::string host = place.host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  if (const Result<IpAddress> address = IpAddress::parse(host)) place.addresses = {*address};
  const std::optional<uint64_t> port = parse_decimal(text.substr(colon + 1));
  if (!port || *port == 0 || *port > 65535) {
    place.problem = "unknown port \"" + std::string(text.substr(colon + 1)) + "\"";
  } else {
    place.port = static_cast<uint16_t>(*port);
  }
  return place;
}

// Asks for the addresses of a place that has a name.
void find_addresses(SocketPlace& place, const EvalContext& context) {
  if (place.host.empty() || !place.addresses.empty() || !place.problem.empty()) return;
  NamedAddresses named = addresses_of(place.host, context);
  place.addresses = std::move(named.found);
  if (!named.problem.empty()) {
    place.problem = std::move(named.problem);
  } else if (place.addresses.empty()) {
    place.problem = "no IP address found for host " + place.host;
  }
}

struct SocketOptions {
  Millis timeout = kSocketTimeout;
  bool shutdown = true;
  bool tls = false;
  std::string problem;
};

SocketOptions read_socket_options(std::string_view text) {
  SocketOptions options;
  for (const std::string& item : config::split_list(text)) {
    const size_t equals = item.find('=');
    const std::string name = item.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : item.substr(equals + 1);
    if (item.empty() || name == "cache" || name == "sni") continue;
    if (name == "shutdown") {
      options.shutdown = value != "no";
    } else if (name == "tls") {
      options.tls = value != "no";
    } else if (const Result<Seconds> time = config::parse_time(item)) {
      options.timeout = *time;
    } else {
      options.problem = "bad time value " + item;
    }
  }
  return options;
}

struct Exchange {
  std::string output;
  std::string connect_problem;
  std::string problem;
};

Task<Result<std::unique_ptr<UvStream>>> connect_place(Loop& loop, const SocketPlace& place,
                                                      Millis timeout) {
  if (place.addresses.empty()) co_return co_await connect_unix(loop, place.path);
  for (size_t i = 0;; ++i) {
    ConnectOptions options;
    options.to = Endpoint{place.addresses[i], place.port};
    options.timeout = timeout;
    Result<std::unique_ptr<UvStream>> connected = co_await connect(loop, std::move(options));
    if (connected || i + 1 == place.addresses.size()) co_return connected;
  }
}

Task<Exchange> exchange(Loop& loop, const SocketPlace& place, const std::string& request,
                        const SocketOptions& options) {
  Exchange done;
  const Instant deadline = loop.clock().now() + options.timeout;
  Result<std::unique_ptr<UvStream>> connected =
      co_await connect_place(loop, place, options.timeout);
  if (!connected) {
    done.connect_problem = std::string(connected.error().row().text);
    co_return done;
  }
  UvStream& stream = **connected;
  stream.set_deadline(deadline);
  if (!request.empty()) {
    const Result<void> sent = co_await stream.write(request);
    if (!sent) {
      done.problem = "request write to socket failed: " + sent.error().to_string();
      co_return done;
    }
  }
  if (options.shutdown) ::shutdown(stream.descriptor(), SHUT_WR);
  while (true) {
    const Result<std::string_view> read = co_await stream.read();
    if (!read) {
      done.problem = read.error().code() == Errc::timed_out
                         ? std::string("socket read timed out")
                         : "socket read failed: " + read.error().to_string();
      break;
    }
    if (read->empty()) break;
    done.output += *read;
    if (done.output.size() > kReadFileBytesMax) {
      done.problem = "the answer of the socket is too long";
      break;
    }
  }
  co_return done;
}

}  // namespace

bool check_place(Parser& parser, Node& node) {
  parser.check_taint(node.parts[0], "as the name for " + quoted(node.text), parser.offset() - 1);
  return true;
}

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
  return finish_tail(node, context, value != nullptr, {value == nullptr ? "" : value, false}, out);
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

// ${readsocket{place}{request}{options}{eol}{on failure}}
EvalStatus run_readsocket(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const std::vector<Sequence> asked(
      node.parts.begin(), node.parts.begin() + std::min<ptrdiff_t>(std::ssize(node.parts), 4));
  EvalStatus status = read_values(asked, context, args);
  if (status != EvalStatus::ok) return status;
  const std::string& name = args[0].text;
  if (args[0].tainted) return fail(context, "Tainted socket name '" + name + "'");
  SocketPlace place = read_place(name);
  const SocketOptions options =
      read_socket_options(args.size() > 2 ? std::string_view(args[2].text) : std::string_view());
  if (options.tls) return fail(context, "TLS is not available for readsocket");
  if (!options.problem.empty()) return fail(context, options.problem);
  Loop* loop = loop_for_waiting(context, "a socket");
  if (loop == nullptr) return EvalStatus::deferred;
  find_addresses(place, context);
  Exchange done;
  if (place.problem.empty()) done = wait_for(exchange(*loop, place, args[1].text, options));
  std::string problem = place.problem.empty() ? done.problem : place.problem;
  if (!done.connect_problem.empty()) {
    const std::string target =
        !place.host.empty() ? "any address for " + place.host : "socket " + name;
    problem = "failed to connect to " + target + ": " + done.connect_problem;
  }
  if (problem.empty()) {
    append_lines(done.output, args, 3, out);
    context.tainted = true;
    return EvalStatus::ok;
  }
  if (node.parts.size() > 4) return run_sequence(node.parts[4], context, out);
  return fail(context, problem);
}

}  // namespace godwit::acl
