#include "acl/lookup/servers.h"

#include "acl/lookup/limits.h"
#include "core/base/ascii.h"
#include "core/config/values.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>

namespace godwit::acl {
namespace {

// Takes "(...)" or "[...]" off the end of `text`.
std::string take_bracketed(std::string_view& text, char open, char close) {
  if (!text.ends_with(close)) return {};
  const size_t begin = text.rfind(open);
  if (begin == std::string_view::npos) return {};
  const std::string inside(text.substr(begin + 1, text.size() - begin - 2));
  text = text.substr(0, begin);
  return inside;
}

// Where the host ends: at a slash outside of parentheses.
size_t host_end(std::string_view text) {
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') inside = true;
    if (text[i] == ')') inside = false;
    if (text[i] == '/' && !inside) return i;
  }
  return text.size();
}

// "name", "name:port", "[2001:db8::1]:port" or an IPv6 address alone.
Result<void> parse_host(ServerSpec& server, std::string_view host) {
  if (IpAddress::parse(host)) {
    server.host = host;
    return {};
  }
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && !host.ends_with(']')) {
    const std::optional<uint64_t> port = parse_decimal(host.substr(colon + 1));
    if (!port || *port == 0 || *port > UINT16_MAX)
      return deferred("bad port in server \"" + std::string(host) + '"');
    server.port = static_cast<uint16_t>(*port);
    host = host.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  server.host = host;
  return {};
}

// Takes "servers=a:b;" off an old query.
std::string_view take_old_servers(std::string_view& query) {
  constexpr std::string_view kWord = "servers";
  std::string_view rest = trim_left(query);
  if (!starts_with_ignore_case(rest, kWord)) return {};
  rest = trim_left(rest.substr(kWord.size()));
  const size_t end = rest.find(';');
  if (!rest.starts_with('=') || end == std::string_view::npos) return {};
  query = trim_left(rest.substr(end + 1));
  return trim(rest.substr(1, end - 1));
}

Result<IpAddress> ask_system_resolver(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (status != 0) return deferred("cannot find the host " + host + ": " + ::gai_strerror(status));
  std::optional<Endpoint> endpoint;
  for (const addrinfo* item = list; item != nullptr && !endpoint; item = item->ai_next) {
    endpoint = from_sockaddr(item->ai_addr);
  }
  ::freeaddrinfo(list);
  if (!endpoint) return deferred("the host " + host + " has no address");
  return endpoint->address;
}

}  // namespace

std::string ServerSpec::address() const {
  if (!socket.empty()) return socket;
  std::string text_form = host.empty() ? "localhost" : host;
  if (port != 0) {
    text_form += ':';
    append_decimal(text_form, port);
  }
  return text_form;
}

Result<ServerSpec> parse_server(const ServerStyle& style, std::string_view text) {
  ServerSpec server;
  server.text = text;
  const size_t end = host_end(text);
  std::string_view host = text.substr(0, end);
  std::string_view rest = text.substr(end);
  std::vector<std::string> fields;
  // From the right, so that only the host could hold another slash.
  for (size_t i = 0; i < style.fields; ++i) {
    const size_t slash = rest.rfind('/');
    if (slash == std::string_view::npos) {
      return deferred("incomplete " + std::string(style.short_name) +
                      " server data: " + std::string(host));
    }
    fields.emplace_back(rest.substr(slash + 1));
    rest = rest.substr(0, slash);
  }
  if (!rest.empty()) {
    return deferred("unexpected slash in " + std::string(style.short_name) +
                    " server hostname: " + std::string(host));
  }
  std::ranges::reverse(fields);
  server.fields = std::move(fields);
  // An IPv6 address in brackets is no group.
  if (!host.starts_with('[')) server.group = take_bracketed(host, '[', ']');
  server.socket = take_bracketed(host, '(', ')');
  const Result<void> parsed = parse_host(server, host);
  if (!parsed) return parsed.error();
  return server;
}

Result<std::vector<ServerSpec>> choose_servers(const ServerStyle& style,
                                               const std::string& main_list,
                                               const LookupOptions& options,
                                               std::string_view& query) {
  const std::string_view old = take_old_servers(query);
  const std::string chosen(old.empty() ? options.get("servers").value_or("") : old);
  const std::vector<std::string> known = config::split_list(main_list);
  std::vector<ServerSpec> servers;
  for (const std::string& item : chosen.empty() ? known : config::split_list(chosen)) {
    std::string_view text = item;
    if (host_end(text) == text.size()) {
      const auto same = std::ranges::find_if(known, [&](const std::string& server) {
        return std::string_view(server).substr(0, host_end(server)) == text;
      });
      if (same == known.end()) {
        return deferred(std::string(style.name) + " server \"" + item + "\" not found in " +
                        std::string(style.option));
      }
      text = *same;
    }
    Result<ServerSpec> server = parse_server(style, text);
    if (!server) return server.error();
    if (server->port == 0) server->port = style.default_port;
    servers.push_back(std::move(*server));
    if (servers.size() > kServersMax) return deferred("too many servers in a list");
  }
  if (servers.empty()) {
    return deferred("no " + std::string(style.name) + " servers defined (" +
                    std::string(style.option) + " option)");
  }
  return servers;
}

Task<Result<IpAddress>> resolve_host(LookupPool& pool, std::string host) {
  const Result<IpAddress> literal = IpAddress::parse(host);
  if (literal) co_return literal;
  const auto ask = [host] { return ask_system_resolver(host); };
  co_return co_await pool.task(ask);
}

}  // namespace godwit::acl
