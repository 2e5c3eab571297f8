// The protocol of Redis, lists of servers, and real servers (skipped where they are missing).
#include "acl/lookup/resp.h"
#include "acl/lookup/servers.h"
#include "generated/source_dir.h"
#include "tests/acl/lookup/support.h"

#include <memory>
#include <vector>

namespace godwit::acl {
namespace {

using Kind = RespReply::Kind;

TEST(Resp, ReadsRepliesHoweverTheyAreCut) {
  struct Case {
    std::string_view bytes;
    Kind kind;
    std::string_view text;
  };
  constexpr Case kCases[] = {
      {"+OK\r\n", Kind::text, "OK"},
      {"-ERR no\r\n", Kind::error, "ERR no"},
      {":42\r\n", Kind::integer, "42"},
      {":-1\r\n", Kind::integer, "-1"},
      {"$5\r\nab\r\nc\r\n", Kind::text, "ab\r\nc"},
      {"$0\r\n\r\n", Kind::text, ""},
      {"$-1\r\n", Kind::nil, ""},
      {"*-1\r\n", Kind::nil, ""},
      {"*0\r\n", Kind::array, ""},
      {"*3\r\n$1\r\na\r\n:7\r\n+c\r\n", Kind::array, "a\n7\nc"},
      {"*2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n*1\r\n$1\r\nc\r\n", Kind::array, "a\nb\nc"},
      {"*3\r\n$1\r\na\r\n$-1\r\n$1\r\nc\r\n", Kind::array, "a\n\nc"},
      {"*2\r\n*0\r\n$1\r\nc\r\n", Kind::array, "c"},
  };
  std::string all;
  for (const Case& c : kCases) all += c.bytes;
  for (const size_t step : {size_t{1}, size_t{2}, size_t{7}, all.size()}) {
    RespReader reader;
    std::vector<RespReply> replies;
    for (size_t at = 0; at < all.size(); at += step) {
      reader.feed(std::string_view(all).substr(at, step));
      while (auto reply = reader.next()) replies.push_back(*reply);
    }
    ASSERT_EQ(replies.size(), std::size(kCases));
    for (size_t i = 0; i < replies.size(); ++i)
      EXPECT_EQ(replies[i], (RespReply{kCases[i].kind, std::string(kCases[i].text)})) << i;
  }
}

TEST(Resp, RefusesWhatIsNoReplyOrTooMuch) {
  for (const std::string_view bytes :
       {"\r\n", "hello\r\n", ":x\r\n", "$x\r\n", "$99999999999\r\n", "*99999999999\r\n",
        "$1\r\nabc", "*1\r\n*1\r\n*1\r\n*1\r\n", "$-2\r\n"}) {
    RespReader reader;
    reader.feed(bytes);
    EXPECT_FALSE(reader.next()) << bytes;
    EXPECT_TRUE(reader.has_failed()) << bytes;
  }
  RespReader reader;
  reader.feed(std::string(100'000, '+'));
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.has_failed());
}

TEST(Resp, SplitsCommandsLikeExim) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(split_redis_command("set key  objvalue\\ plus\\\\"),
            (Words{"set", "key", "objvalue plus\\"}));
  EXPECT_EQ(split_redis_command(" \n"), Words{});
  EXPECT_EQ(split_redis_command("a\\"), Words{"a\\"});
  std::string out;
  append_resp_command(out, {"GET", ""});
  EXPECT_EQ(out, "*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
}

constexpr ServerStyle kRedis{"Redis", "Redis", "redis_servers", 2, 6379};
constexpr ServerStyle kPgsql{"PostgreSQL", "pgSQL", "pgsql_servers", 3, 5432};

TEST(LookupServers, AreReadInEveryForm) {
  struct Case {
    const ServerStyle& style;
    std::string_view text, host, socket, group;
    int port;
    std::vector<std::string> fields;
  };
  const Case kCases[] = {
      {kRedis, "127.0.0.1/10/", "127.0.0.1", "", "", 0, {"10", ""}},
      {kRedis, "127.0.0.1//password", "127.0.0.1", "", "", 0, {"", "password"}},
      {kRedis, "127.0.0.1//", "127.0.0.1", "", "", 0, {"", ""}},
      {kRedis, "h:6380/1/p", "h", "", "", 6380, {"1", "p"}},
      {kRedis, "(/run/redis.sock)//", "", "/run/redis.sock", "", 0, {"", ""}},
      {kRedis, "[::1]:7//", "::1", "", "", 7, {"", ""}},
      {kRedis, "::1//", "::1", "", "", 0, {"", ""}},
      {kPgsql,
       "(/tmp/.s.PGSQL.5432)/db/user/pw",
       "",
       "/tmp/.s.PGSQL.5432",
       "",
       0,
       {"db", "user", "pw"}},
      {kPgsql, "h:3307(/s)[grp]/db/user/", "h", "/s", "grp", 3307, {"db", "user", ""}},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    const Result<ServerSpec> server = parse_server(c.style, c.text);
    ASSERT_TRUE(server) << server.error().detail();
    EXPECT_EQ(server->host, c.host);
    EXPECT_EQ(server->socket, c.socket);
    EXPECT_EQ(server->group, c.group);
    EXPECT_EQ(server->port, c.port);
    EXPECT_EQ(server->fields, c.fields);
  }
  EXPECT_EQ(parse_server(kRedis, "h/secret").error().detail(), "incomplete Redis server data: h");
  EXPECT_EQ(parse_server(kPgsql, "a/b").error().detail(), "incomplete pgSQL server data: a");
  EXPECT_EQ(parse_server(kRedis, "h/x/1/p").error().detail(),
            "unexpected slash in Redis server hostname: h");
  EXPECT_FALSE(parse_server(kRedis, "h:99999//"));
}

TEST(LookupServers, AreChosenByTheQuery) {
  const std::string list = "one/a/b/c : two::7/d/e/f";
  const auto hosts = [&](std::string_view options, std::string_view query) {
    const auto servers = choose_servers(kPgsql, list, LookupOptions(options), query);
    if (!servers) return servers.error().detail();
    std::string text;
    for (const ServerSpec& server : *servers) text += server.address() + ' ';
    return text + std::string(query);
  };
  EXPECT_EQ(hosts("", "select"), "one:5432 two:7 select");
  EXPECT_EQ(hosts("servers=one", "select"), "one:5432 select");
  EXPECT_EQ(hosts("servers=x/y/z/w:one", "select"), "x:5432 one:5432 select");
  EXPECT_EQ(hosts("", "servers = one; select"), "one:5432 select");
  EXPECT_EQ(hosts("servers=zz", ""), "PostgreSQL server \"zz\" not found in pgsql_servers");
  EXPECT_EQ(hosts("servers=<;", ""), "no PostgreSQL servers defined (pgsql_servers option)");
  std::string_view query;
  EXPECT_EQ(choose_servers(kPgsql, "", LookupOptions({}), query).error().detail(),
            "no PostgreSQL servers defined (pgsql_servers option)");
}

class Redis : public LookupTest {
 protected:
  using Server = test::LookupServer;
  std::unique_ptr<Server> make(std::vector<std::string> options = {}) {
    return std::make_unique<Server>(Server::System::redis, GODWIT_SOURCE_DIR, std::move(options));
  }
  static std::string entry(const Server& server, std::string_view rest = "//") {
    return "(" + server.socket() + ")" + std::string(rest);
  }
  void use(const std::string& servers) {
    LookupSetOptions options;
    options.redis_servers = servers;
    start(options);
  }
};

TEST_F(Redis, AnswersEveryExampleOfTheManual) {
  const auto server = make();
  GODWIT_START(*server);
  use(entry(*server));
  EXPECT_EQ(ask("redis", "SADD relay_from_ips 192.168.0.0/24"), "=true");
  EXPECT_EQ(ask("redis", "SADD relay_from_ips 192.168.0.0/24"), "=false");
  EXPECT_EQ(ask("redis", "SMEMBERS relay_from_ips"), "=192.168.0.0/24");
  EXPECT_EQ(ask("redis", "HSET example.com domain example.com"), "=true");
  EXPECT_EQ(ask("redis", "HGET example.com domain"), "=example.com");
  EXPECT_EQ(ask("redis", "SET SPAMMER some_value"), "=OK");
  EXPECT_EQ(ask("redis", "GET SPAMMER"), "=some_value");
  EXPECT_EQ(ask("redis", "set keyname objvalue\\ plus"), "=OK");
  EXPECT_EQ(ask("redis", "get keyname"), "=objvalue plus");
  EXPECT_EQ(ask("redis", "GET absent"), "=");
  EXPECT_EQ(ask("redis", "SMEMBERS absent"), "none");
  EXPECT_EQ(ask("redis", "RPUSH list a b c"), "=true");
  EXPECT_EQ(ask("redis", "LRANGE list 0 -1"), "=a\nb\nc");
  EXPECT_EQ(ask("redis", "STRLEN list").substr(0, 47),
            "error: REDIS: lookup result failed: WRONGTYPE O");
  EXPECT_EQ(ask("redis", "NOSUCH").substr(0, 44), "error: REDIS: lookup result failed: ERR unkn");
  EXPECT_EQ(ask("redis", ""), "error: REDIS: the query is empty");
  EXPECT_EQ(ask("redis", "SET big " + std::string(1 << 20, 'x')), "=OK");
  EXPECT_EQ(ask("redis", "GET big"), "=" + std::string(1 << 20, 'x'));
}

TEST_F(Redis, LogsInAndSelectsOnce) {
  const auto server = make({"--requirepass", "secret"});
  GODWIT_START(*server);
  use(entry(*server, "/3/secret"));
  EXPECT_EQ(ask("redis", "SET k three"), "=OK");
  EXPECT_EQ(ask("redis", "GET k"), "=three");
  EXPECT_EQ(ask("redis,servers=" + entry(*server, "/4/secret"), "GET k"), "=");
  EXPECT_EQ(ask("redis,servers=" + entry(*server, "//secret"), "MOVE k 3"), "=false");
  EXPECT_EQ(ask("redis", "servers=" + entry(*server, "/3/secret") + "; GET k"), "=three");
  EXPECT_EQ(ask("redis,servers=" + entry(*server, "//wrong"), "GET k").substr(0, 46),
            "error: REDIS connection failed: AUTH refused: ");
}

TEST_F(Redis, GoesToTheNextServerAndComesBack) {
  const auto first = make();
  const auto second = make();
  GODWIT_START(*first);
  GODWIT_START(*second);
  use(entry(*first) + " : " + entry(*second));
  EXPECT_EQ(ask("redis", "SET who first"), "=OK");
  EXPECT_EQ(ask("redis,servers=" + entry(*second), "SET who second"), "=OK");
  EXPECT_EQ(ask("redis", "GET who"), "=first");
  first->kill();
  EXPECT_EQ(ask("redis", "GET who"), "=second");
  EXPECT_EQ(ask("redis", "GET who"), "=second");
  second->kill();
  EXPECT_EQ(ask("redis", "GET who").substr(0, 6), "error:");
}

// A node of a cluster that has not the key, or no cluster around it, says so.
TEST_F(Redis, AServerThatNamesAnotherIsNotAskedFurther) {
  const auto first = make();
  const auto second = make();
  GODWIT_START(*first);
  GODWIT_START(*second);
  use(entry(*first) + " : " + entry(*second));
  EXPECT_EQ(ask("redis,servers=" + entry(*first), "SET away yes"), "=OK");
  const std::string script =
      "EVAL if\\ redis.call('exists','away')==1\\ then\\ return\\ "
      "redis.error_reply('MOVED\\ 3999\\ 127.0.0.1:6381')\\ end\\ return\\ 'here' 0";
  EXPECT_EQ(ask("redis,servers=" + entry(*second), script), "=here");
  const std::string alone = ask("redis,servers=" + entry(*first), script);
  EXPECT_TRUE(alone.starts_with("error: REDIS")) << alone;
  EXPECT_NE(alone.find("MOVED 3999 127.0.0.1:6381"), std::string::npos) << alone;
  EXPECT_EQ(ask("redis", script), "=here");
}

TEST_F(Redis, APausedServerIsAnErrorInTimeForAllWhoWait) {
  const auto server = make();
  GODWIT_START(*server);
  use(entry(*server));
  EXPECT_EQ(ask("redis", "SET k v"), "=OK");
  server->pause();
  const Instant begin = loop_.clock().now();
  EXPECT_EQ(ask("redis", "GET k"), "error: REDIS: " + server->socket() + " did not answer in time");
  EXPECT_LT((loop_.clock().now() - begin).count, 8'000);
  // Those who come next are not made to wait for it as well.
  const Instant next = loop_.clock().now();
  EXPECT_EQ(ask("redis", "GET k").substr(0, 6), "error:");
  EXPECT_LT((loop_.clock().now() - next).count, 500);
  server->resume();
}

TEST_F(Redis, AKilledServerIsAnErrorForAllWhoWait) {
  const auto server = make();
  GODWIT_START(*server);
  use(entry(*server));
  EXPECT_EQ(ask("redis", "GET k"), "=");
  LookupProblem problem;
  const std::optional<LookupSpec> spec = parse_lookup_type("redis", problem);
  server->pause();
  Scope scope;
  int errors = 0;
  const auto one = [&](int i) -> Task<void> {
    const std::string query = "GET k" + std::to_string(i);
    const auto body = [&] { return set_->find({*spec, {}, query}); };
    const auto answer = co_await run_on_fiber(body);
    if (!answer) ++errors;
  };
  for (int i = 0; i < 50; ++i) scope.spawn(one(i));
  loop_.poll();
  server->kill();
  while (scope.running() > 0) loop_.run_once();
  EXPECT_EQ(errors, 50);
}

TEST_F(Redis, PipelinesAndSharesEqualReads) {
  const auto server = make();
  GODWIT_START(*server);
  use(entry(*server));
  EXPECT_EQ(ask("redis", "SET n 0"), "=OK");
  LookupProblem problem;
  const std::optional<LookupSpec> spec = parse_lookup_type("redis", problem);
  Scope scope;
  int good = 0;
  const auto one = [&](int i) -> Task<void> {
    const std::string query = i % 2 == 0 ? "INCR n" : "GET n";
    for (int round = 0; round < 20; ++round) {
      const auto body = [&] { return set_->find({*spec, {}, query}); };
      const auto answer = co_await run_on_fiber(body);
      if (answer && answer->has_value()) ++good;
    }
  };
  for (int i = 0; i < 100; ++i) scope.spawn(one(i));
  while (scope.running() > 0) loop_.run_once();
  EXPECT_EQ(good, 2000);
  EXPECT_EQ(ask("redis", "GET n"), "=1000");
}

TEST_F(Redis, NobodyListensOrNoFiberIsAnError) {
  use("(/nonexistent/socket)//");
  EXPECT_EQ(ask("redis", "GET k").substr(0, 31), "error: REDIS connection failed:");
  LookupProblem problem;
  const std::optional<LookupSpec> spec = parse_lookup_type("redis", problem);
  EXPECT_EQ(text_of(set_->find({*spec, {}, "GET k"})),
            "error: a redis lookup would have to wait, and nothing may wait here");
  set_.reset();
  start();
  EXPECT_EQ(ask("redis", "GET k"), "error: no Redis servers defined (redis_servers option)");
  EXPECT_EQ(ask("redis,servers=127.0.0.1::1//", "GET k").substr(0, 31),
            "error: REDIS connection failed:");
}

}  // namespace
}  // namespace godwit::acl
