// Real PostgreSQL and MariaDB servers (skipped where they are missing).
#include "acl/lookup/sql.h"

#include "generated/source_dir.h"
#include "tests/acl/lookup/support.h"

#include <memory>

namespace godwit::acl {
namespace {

using System = test::LookupServer::System;

TEST(SqlText, QuotesFieldsThatNeedIt) {
  std::string out;
  append_sql_field(out, "home", "/h/userx");
  append_sql_field(out, "name", "Mister \"X\" \\");
  append_sql_field(out, "none", "");
  EXPECT_EQ(out, "home=/h/userx name=\"Mister \\\"X\\\" \\\\\" none=\"\" ");
}

class SqlServerTest : public LookupTest {
 protected:
  explicit SqlServerTest(System system) : server_(system, GODWIT_SOURCE_DIR) {}

  // Many questions at once: more than there are connections.
  int ask_at_once(std::string_view type, const std::string& query, int count) {
    LookupProblem problem;
    const std::optional<LookupSpec> spec = parse_lookup_type(type, problem);
    Scope scope;
    int good = 0;
    const auto one = [&]() -> Task<void> {
      const auto body = [&] { return set_->find({*spec, {}, query}); };
      const auto answer = co_await run_on_fiber(body);
      if (answer && answer->has_value()) ++good;
    };
    for (int i = 0; i < count; ++i) scope.spawn(one());
    while (scope.running() > 0) loop_.run_once();
    return good;
  }

  test::LookupServer server_;
};

class Pgsql : public SqlServerTest {
 protected:
  Pgsql() : SqlServerTest(System::postgres) {}
  void SetUp() override {
    if (!server_.start()) {
      if (server_.is_missing()) GTEST_SKIP() << "SKIPPED: " << server_.problem();
      FAIL() << server_.problem();
    }
    LookupSetOptions options;
    options.pgsql_servers = "(" + server_.socket() + ")/postgres/postgres/";
    start(options);
  }
};

TEST_F(Pgsql, AnswersAsEximDoes) {
  EXPECT_EQ(ask("pgsql", "select 1"), "=1");
  EXPECT_EQ(ask("pgsql", "create table users(id text, home text, name text)"), "=");
  EXPECT_EQ(ask("pgsql", "insert into users values('userx', '/h/userx', 'Mister X')"), "=1");
  EXPECT_EQ(ask("pgsql", "select home,name from users where id='userx'"),
            "=home=/h/userx name=\"Mister X\" ");
  EXPECT_EQ(ask("pgsql", "select name from users where id='userx'"), "=Mister X");
  EXPECT_EQ(ask("pgsql", "select name from users where id='none'"), "none");
  EXPECT_EQ(ask("pgsql", "select generate_series(1,3)"), "=1\n2\n3");
  EXPECT_EQ(ask("pgsql", "update users set name = 'Y'"), "=1");
  EXPECT_EQ(ask("pgsql", "update users set name = 'Y' where false"), "=0");
  EXPECT_EQ(ask("pgsql", "select null"), "=");
  EXPECT_EQ(ask("pgsql", "selct").substr(0, 41), "error: PGSQL: query failed: ERROR:  synta");
  EXPECT_EQ(ask("pgsql", "copy users from stdin"),
            "error: PGSQL: query failed: a lookup cannot copy");
  EXPECT_EQ(ask("pgsql", "begin"), "=");
  EXPECT_EQ(ask("pgsql", "select count(*) from users"), "=1");
  const std::string big(3'000'000, 'x');
  EXPECT_EQ(ask("pgsql", "select length('" + big + "')"), "=3000000");
  EXPECT_EQ(ask("pgsql", "select repeat('x', 3000000)"), "=" + big);
}

TEST_F(Pgsql, RunsTheFunctionOfTheManualWithQuotedText) {
  EXPECT_EQ(ask("pgsql", "create table delivery(d text)"), "=");
  EXPECT_EQ(ask("pgsql",
                "create function record_Delivery(text, text) returns int language sql as "
                "$$ insert into delivery values($1 || '|' || $2); select 7 $$"),
            "=");
  std::string quoted;
  quote_for_lookup(*find_lookup_type("pgsql"), "o'brien", quoted);
  EXPECT_EQ(ask("pgsql", "SELECT * FROM record_Delivery('" + quoted + "', 'example.com')"), "=7");
  EXPECT_EQ(ask("pgsql", "select d from delivery"), "=o'brien|example.com");
}

TEST_F(Pgsql, ManyQueriesShareAFewConnections) {
  EXPECT_EQ(ask_at_once("pgsql", "select pg_sleep(0.01)", 50), 50);
  const std::string count =
      ask("pgsql", "select count(*) from pg_stat_activity where application_name = 'godwit'");
  EXPECT_LE(std::stoi(count.substr(1)), static_cast<int>(kSqlConnectionsMax));
}

TEST_F(Pgsql, AServerThatDiesIsAnErrorAndComesBack) {
  EXPECT_EQ(ask("pgsql", "select 1"), "=1");
  EXPECT_EQ(ask("pgsql", "select pg_terminate_backend(pg_backend_pid())").substr(0, 27),
            "error: PGSQL: query failed:");
  EXPECT_EQ(ask("pgsql", "select 2"), "=2");
  server_.kill();
  EXPECT_EQ(ask("pgsql", "select 1").substr(0, 12), "error: PGSQL");
}

class Mysql : public SqlServerTest {
 protected:
  Mysql() : SqlServerTest(System::mariadb) {}
  void SetUp() override {
    if (!server_.start()) {
      if (server_.is_missing()) GTEST_SKIP() << "SKIPPED: " << server_.problem();
      FAIL() << server_.problem();
    }
    LookupSetOptions options;
    options.mysql_servers = "localhost(" + server_.socket() + ")/test/root/";
    start(options);
  }
};

TEST_F(Mysql, AnswersAsEximDoesAndTakesTheInsertOfTheManual) {
  EXPECT_EQ(ask("mysql", "select 1"), "=1");
  EXPECT_EQ(ask("mysql",
                "create table delivlog(msgid text, senderlp text, senderdom text, delivport int)"),
            "=0");
  std::string quoted;
  quote_for_lookup(*find_lookup_type("mysql"), "o'br\\ien", quoted);
  EXPECT_EQ(ask("mysql", "insert into delivlog set msgid = '1abc', senderlp = '" + quoted +
                             "', senderdom = 'example.com', delivport = '25'"),
            "=1");
  EXPECT_EQ(ask("mysql", "select senderlp from delivlog"), "=o'br\\ien");
  EXPECT_EQ(ask("mysql", "select msgid, senderdom, '' as e, 'x y' as f from delivlog"),
            "=msgid=1abc senderdom=example.com e=\"\" f=\"x y\" ");
  EXPECT_EQ(ask("mysql", "select msgid from delivlog where 0"), "none");
  EXPECT_EQ(ask("mysql", "select 1 union select 2"), "=1\n2");
  EXPECT_EQ(ask("mysql", "update delivlog set delivport = 26"), "=1");
  EXPECT_EQ(ask("mysql", "update delivlog set delivport = 26"), "=0");
  EXPECT_EQ(ask("mysql", "select null"), "=");
  EXPECT_EQ(ask("mysql", "selct").substr(0, 40), "error: MYSQL: query failed: You have an ");
  EXPECT_EQ(ask("mysql", "select 5"), "=5");
  EXPECT_EQ(ask("mysql", "select repeat('x', 3000000)"), "=" + std::string(3'000'000, 'x'));
}

TEST_F(Mysql, RunsFunctionsAndProcedures) {
  EXPECT_EQ(ask("mysql", "create table t(a text)"), "=0");
  EXPECT_EQ(ask("mysql",
                "create function record_delivery(x text) returns int modifies sql data "
                "begin insert into t values(x); return 7; end"),
            "=0");
  EXPECT_EQ(ask("mysql", "select record_delivery('one')"), "=7");
  EXPECT_EQ(ask("mysql", "create procedure p() begin select a from t; select 2; end"), "=0");
  EXPECT_EQ(ask("mysql", "call p()"), "=one");
  EXPECT_EQ(ask("mysql", "select 3"), "=3");
}

TEST_F(Mysql, ManyQueriesShareAFewConnections) {
  EXPECT_EQ(ask_at_once("mysql", "select sleep(0.01)", 50), 50);
}

TEST_F(Mysql, AServerThatDiesIsAnError) {
  EXPECT_EQ(ask("mysql", "select 1"), "=1");
  server_.kill();
  EXPECT_EQ(ask("mysql", "select 1").substr(0, 12), "error: MYSQL");
  EXPECT_EQ(ask("mysql", "select 1").substr(0, 31), "error: MYSQL connection failed:");
}

TEST(SqlLookups, WithoutServersAreErrors) {
  Loop loop;
  LookupSet set(loop, {});
  LookupProblem problem;
  EXPECT_EQ(text_of(set.find({*parse_lookup_type("pgsql", problem), {}, "select 1"})),
            "error: no PostgreSQL servers defined (pgsql_servers option)");
  EXPECT_EQ(text_of(set.find({*parse_lookup_type("mysql,servers=a/b", problem), {}, "select 1"})),
            "error: incomplete MySQL server data: a");
  EXPECT_EQ(
      text_of(set.find({*parse_lookup_type("mysql,servers=a/b/c/d", problem), {}, "select 1"})),
      "error: a query to MySQL would have to wait, and nothing may wait here");
}

}  // namespace
}  // namespace godwit::acl
