// Lists of servers: redis_servers, mysql_servers, pgsql_servers and the option servers= of a query.
// An item is "host/field/field...", its host "name:port(socket)[group]", each part optional. In an
// option, an item without slashes names a server of the main list by its host.
#pragma once

#include "acl/lookup/finders.h"
#include "acl/lookup/pool.h"
#include "core/base/ip_address.h"
#include "core/base/result.h"
#include "core/io/task.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

// How one kind of server is spelt in lists and messages.
struct ServerStyle {
  std::string_view name;        // "PostgreSQL"
  std::string_view short_name;  // "pgSQL"
  std::string_view option;      // "pgsql_servers"
  size_t fields;                // behind the host, each after a slash
  uint16_t default_port;
};

struct ServerSpec {
  std::string text;  // of the list: what makes two servers the same
  std::string host;  // name or address; may be empty
  uint16_t port = 0;
  std::string socket;  // path of a unix socket
  std::string group;   // of MySQL's option files
  std::vector<std::string> fields;

  // "host:port" or the socket, for messages: no password.
  std::string address() const;
};

Result<ServerSpec> parse_server(const ServerStyle& style, std::string_view text);
// The servers to ask, in order: those of the call's servers= option or of "servers=...;" before the
// query (which is taken off it), otherwise those of the main option. At least one.
Result<std::vector<ServerSpec>> choose_servers(const ServerStyle& style,
                                               const std::string& main_list,
                                               const LookupOptions& options,
                                               std::string_view& query);

// An address as it stands; a name through the system's resolver, on the pool.
Task<Result<IpAddress>> resolve_host(LookupPool& pool, std::string host);

}  // namespace godwit::acl
