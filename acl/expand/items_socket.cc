// ${readsocket: asks a server behind a unix-domain or TCP socket, in plain text or over TLS.
#include "acl/expand/arguments.h"
#include "acl/expand/host_addresses.h"
#include "acl/expand/items.h"
#include "acl/expand/outside.h"
#include "acl/expand/parser.h"
#include "acl/expand/socket_answers.h"
#include "core/base/ascii.h"
#include "core/base/quoted.h"
#include "core/config/values.h"
#include "core/io/uv_stream.h"
#include "tls/context.h"
#include "tls/tls_stream.h"

#include <sys/socket.h>

namespace godwit::acl {
namespace {

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
  bool cache = false;
  std::string sni;
  std::string problem;
};

SocketOptions read_socket_options(std::string_view text) {
  SocketOptions options;
  for (const std::string& item : config::split_list(text)) {
    const size_t equals = item.find('=');
    const std::string name = item.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : item.substr(equals + 1);
    if (item.empty()) continue;
    if (name == "shutdown") {
      options.shutdown = value != "no";
    } else if (name == "tls") {
      options.tls = value != "no";
    } else if (name == "cache") {
      options.cache = value == "yes";
    } else if (name == "sni") {
      options.sni = value;
    } else if (const Result<Seconds> time = config::parse_time(item)) {
      options.timeout = *time;
    } else {
      options.problem = "bad time value " + item;
    }
  }
  return options;
}

constexpr int kNoShutdown = -1;

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

// Says the request and hears the answer to its end.
Task<void> converse(ByteStream& stream, const std::string& request, const int shut,
                    Exchange& done) {
  if (!request.empty()) {
    const Result<void> sent = co_await stream.write(request);
    if (!sent) {
      done.problem = "request write to socket failed: " + sent.error().to_string();
      co_return;
    }
  }
  if (shut >= 0) ::shutdown(shut, SHUT_WR);
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
}

// A client that trusts any server: the answer is only as good as the place that was named.
Task<Result<std::unique_ptr<tls::Engine>>> make_engine(Loop& loop, const std::string& sni) {
  const auto load = [] { return tls::ClientContext::load(tls::ClientSettings()); };
  const auto context = co_await blocking(loop, load);
  if (!context) co_return context.error();
  tls::ClientSession session;
  session.now = loop.clock().wall();
  session.verify = tls::Verify::no;
  session.sni = sni;
  co_return tls::Engine::make_client(*context, session);
}

Task<void> converse_over_tls(Loop& loop, UvStream& stream, const std::string& request,
                             const SocketOptions& options, Exchange& done) {
  Result<std::unique_ptr<tls::Engine>> engine = co_await make_engine(loop, options.sni);
  if (!engine) {
    done.problem = "TLS is not possible: " + engine.error().to_string();
    co_return;
  }
  tls::TlsStream encrypted(stream, std::move(*engine));
  const Result<tls::Handshake> shaken = co_await encrypted.handshake();
  if (shaken) {
    co_await converse(encrypted, request, kNoShutdown, done);
  } else {
    done.problem = shaken.error().code() == Errc::timed_out
                       ? std::string("TLS handshake timed out")
                       : "TLS handshake failed: " + shaken.error().to_string();
  }
  encrypted.close();
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
  if (options.tls) {
    co_await converse_over_tls(loop, stream, request, options, done);
  } else {
    const int shut = options.shutdown ? stream.descriptor() : kNoShutdown;
    co_await converse(stream, request, shut, done);
  }
  co_return done;
}

// Asks, or remembers what was answered before. `problem` where there is no answer.
std::string ask_place(const std::string& name, const std::string& request,
                      const SocketOptions& options, Loop& loop, EvalContext& context,
                      std::string& problem) {
  SocketAnswers* answers = context.services->sockets;
  const std::string question = (options.tls ? "tls " + options.sni : std::string()) +
                               (options.shutdown ? "\n" : " open\n") + request;
  if (answers != nullptr && !options.cache) answers->forget_place(name);
  if (answers != nullptr && options.cache) {
    const std::string* known = answers->find(name, question);
    if (known != nullptr) return *known;
  }
  SocketPlace place = read_place(name);
  find_addresses(place, context);
  problem = place.problem;
  if (!problem.empty()) return {};
  Exchange done = wait_for(exchange(loop, place, request, options));
  problem = done.problem;
  if (!done.connect_problem.empty()) {
    const std::string target =
        !place.host.empty() ? "any address for " + place.host : "socket " + name;
    problem = "failed to connect to " + target + ": " + done.connect_problem;
  }
  if (problem.empty() && options.cache && answers != nullptr)
    answers->keep(name, question, done.output);
  return std::move(done.output);
}

}  // namespace

bool check_place(Parser& parser, Node& node) {
  parser.check_taint(node.parts[0], "as the name for " + quoted(node.text), parser.offset() - 1);
  return true;
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
  const SocketOptions options =
      read_socket_options(args.size() > 2 ? std::string_view(args[2].text) : std::string_view());
  if (!options.problem.empty()) return fail(context, options.problem);
  Loop* loop = loop_for_waiting(context, "a socket");
  if (loop == nullptr) return EvalStatus::deferred;
  std::string problem;
  const std::string answer = ask_place(name, args[1].text, options, *loop, context, problem);
  if (problem.empty()) {
    append_lines(answer, args, 3, out);
    context.tainted = true;
    return EvalStatus::ok;
  }
  if (node.parts.size() > 4) return run_sequence(node.parts[4], context, out);
  return fail(context, problem);
}

}  // namespace godwit::acl
