// ${readsocket against a server in this process: in plain text, over TLS, with and without a cache.
#include "acl/expand/expansion.h"
#include "acl/expand/services.h"
#include "acl/expand/socket_answers.h"
#include "core/io/fiber.h"
#include "tests/acl/support.h"
#include "tests/support/lookup_server.h"
#include "tests/support/unix_server.h"
#include "tls/context.h"
#include "tls/tls_stream.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace godwit::acl {
namespace {

// Answers each connection with how many there were, the server name of TLS and what it was told.
class CountingServer final : public test::UnixServer {
 public:
  CountingServer(Loop& loop, const std::string& path, bool encrypts)
      : UnixServer(loop, path), loop_(loop) {
    if (!encrypts) return;
    tls::ServerSettings settings;
    settings.host_name = "here.test";
    const auto made = tls::ServerContext::load(settings, nullptr, loop.clock().wall());
    EXPECT_TRUE(made);
    if (made) context_ = *made;
  }

 private:
  Task<void> serve(std::unique_ptr<UvStream> stream) override {
    const int number = ++connections_;
    if (context_ == nullptr) {
      co_await answer(*stream, std::to_string(number) + " plain ");
      stream->close();
      co_return;
    }
    tls::ServerSession session;
    session.now = loop_.clock().wall();
    tls::TlsStream encrypted(*stream, tls::Engine::make_server(context_, session));
    const auto shaken = co_await encrypted.handshake();
    if (shaken) {
      const std::string name(encrypted.engine().server_name());
      co_await answer(encrypted, std::to_string(number) + " tls " + name + " ");
    }
    encrypted.close();
  }
  static Task<void> answer(ByteStream& stream, std::string text) {
    const Result<std::string_view> read = co_await stream.read();
    if (read) text += *read;
    text += "\n";
    const Result<void> written = co_await stream.write(text);
    EXPECT_TRUE(written);
  }

  Loop& loop_;
  std::shared_ptr<const tls::ServerContext> context_;
  int connections_ = 0;
};

class ReadSocket : public testing::Test {
 protected:
  ReadSocket() {
    ::signal(SIGPIPE, SIG_IGN);
    services_.loop = &loop_;
    services_.sockets = &answers_;
    facts_.context.services = &services_;
  }
  std::string path() const { return directory_.path() + "/socket"; }

  Task<void> evaluate(const Expansion& expansion, std::optional<EvalResult>& out) {
    auto call = [&] { return expansion.evaluate(facts_.context); };
    out = co_await on_fiber(call);
  }
  // ${readsocket{the socket}`rest`}
  std::string ask(const std::string& rest) {
    const auto expansion = compile_expansion("${readsocket{" + path() + "}" + rest + "}", {});
    EXPECT_TRUE(expansion);
    if (!expansion) return {};
    std::optional<EvalResult> result;
    Scope scope;
    scope.spawn(evaluate(*expansion, result));
    while (!result) loop_.run_once();
    tainted_ = result->tainted;
    return result->text;
  }

  Loop loop_;
  test::TempDirectory directory_;
  Facts facts_;
  Services services_;
  SocketAnswers answers_;
  bool tainted_ = false;  // the last answer
};

TEST_F(ReadSocket, SpeaksTlsWhereItIsAskedTo) {
  CountingServer server(loop_, path(), true);
  EXPECT_EQ(ask("{hello}{3s:tls=yes}{;}"), "1 tls  hello;");
  EXPECT_EQ(ask("{again}{3s:tls=yes:sni=in.test}{}"), "2 tls in.test again");
  EXPECT_EQ(ask("{x}{3s:tls=yes:shutdown=yes}{}"), "3 tls  x");
  while (!server.is_idle()) loop_.run_once();
}

TEST_F(ReadSocket, SaysWhyTlsFailed) {
  CountingServer server(loop_, path(), false);
  EXPECT_EQ(ask("{x}{3s:tls=yes}").substr(0, 22), "TLS handshake failed: ");
  EXPECT_EQ(ask("{x}{3s}{}"), "2 plain x");
}

TEST_F(ReadSocket, AsksOnceWhereAnswersAreCached) {
  CountingServer server(loop_, path(), false);
  EXPECT_EQ(ask("{a}{3s:cache=yes}{}"), "1 plain a");
  EXPECT_TRUE(tainted_);
  EXPECT_EQ(ask("{a}{3s:cache=yes}{;}"), "1 plain a;");
  EXPECT_TRUE(tainted_);
  EXPECT_EQ(ask("{b}{3s:cache=yes}{}"), "2 plain b");
  EXPECT_EQ(ask("{a}{3s:cache=yes:shutdown=no}{}"), "3 plain a");
  EXPECT_EQ(ask("{a}{3s:cache=yes}{}"), "1 plain a");
  // A question that is not cached makes what was kept of the place void.
  EXPECT_EQ(ask("{c}{3s}{}"), "4 plain c");
  EXPECT_EQ(ask("{a}{3s:cache=yes}{}"), "5 plain a");
  answers_.forget();
  EXPECT_EQ(ask("{a}{3s:cache=yes}{}"), "6 plain a");
}

TEST_F(ReadSocket, KeepsNoFailureAndWorksWithoutAPlaceToKeepAnswers) {
  EXPECT_EQ(ask("{a}{3s:cache=yes}{}{none}").substr(0, 6), "none");
  CountingServer server(loop_, path(), false);
  services_.sockets = nullptr;
  EXPECT_EQ(ask("{a}{3s:cache=yes}{}"), "1 plain a");
  EXPECT_EQ(ask("{a}{3s:cache=yes}{}"), "2 plain a");
}

TEST(SocketAnswers, AreBounded) {
  SocketAnswers answers;
  answers.keep("p", "big", std::string(kSocketAnswersBytesMax, 'x'));
  EXPECT_EQ(answers.find("p", "big"), nullptr);
  answers.keep("p", "q", std::string(kSocketAnswersBytesMax / 2, 'x'));
  answers.keep("p", "r", std::string(kSocketAnswersBytesMax / 2, 'x'));
  EXPECT_NE(answers.find("p", "q"), nullptr);
  EXPECT_EQ(answers.find("p", "r"), nullptr);
}

}  // namespace
}  // namespace godwit::acl
