#include "acl/lookup/redis.h"

#include "acl/lookup/limits.h"
#include "acl/lookup/parts.h"
#include "acl/lookup/redis_connection.h"
#include "core/base/ascii.h"

#include <algorithm>
#include <array>

namespace godwit::acl {
namespace {

constexpr ServerStyle kStyle{"Redis", "Redis", "redis_servers", 2, 6379};

// Commands that change nothing, whose answer two messages may share; sorted.
constexpr std::array<std::string_view, 20> kReads{
    "EXISTS",    "GET",      "HEXISTS", "HGET",  "HGETALL", "HKEYS", "HLEN",
    "HMGET",     "HVALS",    "LINDEX",  "LLEN",  "LRANGE",  "MGET",  "SCARD",
    "SISMEMBER", "SMEMBERS", "STRLEN",  "ZCARD", "ZRANGE",  "ZSCORE"};
static_assert(std::ranges::is_sorted(kReads));

// Errors of a server that is not the one, or not yet: the next may be.
constexpr std::array<std::string_view, 5> kElsewhere{"MOVED", "ASK", "LOADING", "MASTERDOWN",
                                                     "CLUSTERDOWN"};

bool is_elsewhere(std::string_view error) {
  const std::string_view word = error.substr(0, error.find(' '));
  return std::ranges::find(kElsewhere, word) != kElsewhere.end();
}

Result<LookupFound> answer_of(RespReply reply) {
  switch (reply.kind) {
    case RespReply::Kind::text:
      return found(std::move(reply.text));
    case RespReply::Kind::integer:
      return found(reply.text == "0" ? "false" : "true");
    case RespReply::Kind::nil: {
      LookupFound nothing = found({});
      nothing->cacheable = false;
      return nothing;
    }
    case RespReply::Kind::array:
      if (reply.text.empty()) return LookupFound();
      return found(std::move(reply.text));
    case RespReply::Kind::error:
      break;
  }
  return deferred("REDIS: lookup result failed: " + reply.text);
}

bool is_read(const std::string& command) {
  return std::ranges::binary_search(kReads, std::string_view(to_upper(command)));
}

}  // namespace

RedisServers::RedisServers(Loop& loop, LookupPool& pool, std::string servers)
    : loop_(loop),
      pool_(pool),
      main_list_(std::move(servers)),
      main_servers_(std::vector<ServerSpec>()) {
  std::string_view no_query;
  main_servers_ = choose_servers(kStyle, main_list_, LookupOptions({}), no_query);
}

RedisServers::~RedisServers() = default;

Task<void> RedisServers::close() {
  closing_ = true;
  for (auto& [text, connection] : connections_) co_await connection->close();
}

RedisConnection& RedisServers::connection(const ServerSpec& server) {
  auto place = connections_.find(server.text);
  if (place == connections_.end()) {
    place =
        connections_.emplace(server.text, std::make_unique<RedisConnection>(loop_, pool_, server))
            .first;
  }
  return *place->second;
}

Result<LookupFound> RedisServers::ask(const LookupOptions& options, std::string_view query) {
  if (closing_) return deferred("REDIS connection closed");
  if (!Fiber::is_current()) return must_wait("a redis lookup");
  const bool is_plain = options.empty() && !starts_with_ignore_case(trim_left(query), "servers");
  std::optional<Result<std::vector<ServerSpec>>> chosen;
  if (!is_plain) chosen.emplace(choose_servers(kStyle, main_list_, options, query));
  const Result<std::vector<ServerSpec>>& servers = is_plain ? main_servers_ : *chosen;
  if (!servers) return servers.error();
  const std::vector<std::string> words = split_redis_command(query);
  if (words.empty()) return deferred("REDIS: the query is empty");
  if (words.size() > kRedisArgumentsMax) return deferred("REDIS: too many words in a query");
  if (!is_plain || !is_read(words.front())) return ask_servers(*servers, words);
  std::string key;
  append_resp_command(key, words);
  return reads_.get(key, [&] { return ask_servers(*servers, words); });
}

Result<LookupFound> RedisServers::ask_servers(const std::vector<ServerSpec>& servers,
                                              const std::vector<std::string>& words) {
  std::optional<Error> failure;
  for (const ServerSpec& server : servers) {
    Result<RespReply> reply = wait_for(connection(server).command(words));
    if (!reply) {
      failure = reply.error();
      continue;
    }
    if (reply->kind != RespReply::Kind::error || !is_elsewhere(reply->text))
      return answer_of(std::move(*reply));
    failure = deferred("REDIS: lookup result failed: " + reply->text);
  }
  if (!failure) return deferred("no Redis servers defined (redis_servers option)");
  return *failure;
}

Result<RespReply> RedisServers::run_script_at(const ServerSpec& server, const RedisScript& script,
                                              const std::vector<std::string>& arguments) {
  std::vector<std::string> words{"EVALSHA", script.sha1, std::to_string(script.keys)};
  words.insert(words.end(), arguments.begin(), arguments.end());
  Result<RespReply> reply = wait_for(connection(server).command(words));
  const bool is_unknown =
      reply && reply->kind == RespReply::Kind::error && reply->text.starts_with("NOSCRIPT");
  if (!is_unknown) return reply;
  words[0] = "EVAL";
  words[1] = script.text;
  return wait_for(connection(server).command(words));
}

Result<std::string> RedisServers::run_script(const RedisScript& script,
                                             const std::vector<std::string>& arguments) {
  if (closing_) return deferred("REDIS connection closed");
  if (!Fiber::is_current()) return must_wait("a script of Redis");
  if (!main_servers_) return main_servers_.error();
  std::optional<Error> failure;
  for (const ServerSpec& server : *main_servers_) {
    Result<RespReply> reply = run_script_at(server, script, arguments);
    if (reply && reply->kind != RespReply::Kind::error) return std::move(reply->text);
    // A script has no errors of its own: a replica, or one without memory, is no place for it.
    failure = reply ? deferred("REDIS: script failed: " + reply->text) : reply.error();
  }
  return *failure;
}

Result<LookupFound> find_redis(LookupParts& parts, const LookupCall& call) {
  return parts.redis.ask(call.options, call.key);
}

}  // namespace godwit::acl
