// Redis servers: one pipelined connection to each, opened when it is first needed, with AUTH and
// SELECT sent once. A server that does not answer in time loses its connection; whoever waited for
// it asks the next server of the list, or gets an Error. Nobody waits for ever.
#pragma once

#include "acl/lookup/finders.h"
#include "acl/lookup/pool.h"
#include "acl/lookup/servers.h"
#include "core/io/loop.h"
#include "core/io/task.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {

class RedisConnection;  // redis_connection.h
struct RespReply;       // resp.h

// A Lua script that a server runs in one step, between the commands of everybody else.
struct RedisScript {
  std::string text;
  std::string sha1;  // of the text, in lower case hex: its name in servers that know it
  size_t keys = 1;   // how many of its arguments are keys; they come first
};

class RedisServers {
 public:
  RedisServers(Loop& loop, LookupPool& pool, std::string servers);
  ~RedisServers();

  Result<LookupFound> ask(const LookupOptions& options, std::string_view query);
  // What the first of redis_servers answers that can run it.
  Result<std::string> run_script(const RedisScript& script,
                                 const std::vector<std::string>& arguments);
  Task<void> close();

 private:
  Result<RespReply> run_script_at(const ServerSpec& server, const RedisScript& script,
                                  const std::vector<std::string>& arguments);
  Result<LookupFound> ask_servers(const std::vector<ServerSpec>& servers,
                                  const std::vector<std::string>& words);
  RedisConnection& connection(const ServerSpec& server);

  Loop& loop_;
  LookupPool& pool_;
  std::string main_list_;
  Result<std::vector<ServerSpec>> main_servers_;  // of main_list_, parsed once
  std::map<std::string, std::unique_ptr<RedisConnection>, std::less<>> connections_;
  SharedWork<Result<LookupFound>> reads_;
  bool closing_ = false;
};

}  // namespace godwit::acl
