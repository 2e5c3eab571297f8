#include "tls/tls_stream.h"

#include "core/io/scope.h"
#include "tests/support/memory_stream.h"
#include "tests/tls/pair.h"

#include <gtest/gtest.h>

#include <optional>

namespace godwit::test {
namespace {

using tls::Handshake;
using tls::TlsStream;

tls::ClientSession any_server() {
  tls::ClientSession session;
  session.verify = tls::Verify::no;
  return session;
}

// A TLS stream over a memory stream, with an engine as its peer.
struct StreamPair {
  World world;
  Pair pair{world, {}, any_server()};
  MemoryStream inner;
  TlsStream stream{inner, std::move(pair.server)};
  tls::Engine& peer = *pair.client;
  Scope scope;
  std::optional<Result<Handshake>> shaken;
  std::vector<std::string> read;
  std::optional<Error> read_error;
  bool ended = false;
  std::optional<Result<void>> written;

  ~StreamPair() {
    stream.close();
    EXPECT_EQ(scope.running(), 0u);
  }

  Task<void> shake() { shaken.emplace(co_await stream.handshake()); }
  Task<void> read_all() {
    for (;;) {
      const Result<std::string_view> got = co_await stream.read();
      if (!got) {
        read_error.emplace(got.error());
        co_return;
      }
      if (got->empty()) {
        ended = true;
        co_return;
      }
      read.emplace_back(*got);
    }
  }
  Task<void> write(std::string bytes) { written.emplace(co_await stream.write(bytes)); }

  void carry() {
    for (int turn = 0; turn < 10; ++turn) {
      peer.receive(inner.take_written());
      peer.handshake();
      const std::string bytes = peer.take_output();
      if (!bytes.empty()) inner.push(bytes);
    }
  }
  void open() {
    scope.spawn(shake());
    peer.handshake();
    carry();
    ASSERT_TRUE(shaken && *shaken) << (shaken ? shaken->error().to_string() : "still waiting");
    ASSERT_EQ(**shaken, Handshake::done);
    peer.has_plaintext();
  }
  void say(std::string_view bytes) {
    ASSERT_TRUE(peer.write(bytes));
    inner.push(peer.take_output());
  }
};

TEST(TlsStream, CarriesLinesBothWays) {
  StreamPair test;
  test.open();
  test.scope.spawn(test.read_all());
  test.say("EHLO x\r\n");
  test.say("QUIT\r\n");
  EXPECT_EQ(test.read, (std::vector<std::string>{"EHLO x\r\n", "QUIT\r\n"}));
  test.scope.spawn(test.write("250 OK\r\n"));
  ASSERT_TRUE(test.written && *test.written);
  test.peer.receive(test.inner.take_written());
  EXPECT_EQ(Pair::received(test.peer), "250 OK\r\n");
}

TEST(TlsStream, ReadsWhateverTheCuts) {
  StreamPair test;
  test.inner.set_read_size_max(1);
  test.open();
  test.scope.spawn(test.read_all());
  test.say(std::string(40'000, 'x'));
  std::string all;
  for (const std::string& piece : test.read) all += piece;
  EXPECT_EQ(all, std::string(40'000, 'x'));
}

TEST(TlsStream, PutsManySmallPartsIntoFewRecords) {
  StreamPair test;
  test.open();
  std::vector<std::string_view> parts(1000, "0123456789");
  parts.push_back(test.world.root_file);
  const std::string big(100'000, 'b');
  parts.push_back(big);
  auto writing = [](TlsStream& stream, std::span<const std::string_view> all) -> Task<void> {
    const Result<void> sent = co_await stream.write(all);
    EXPECT_TRUE(sent);
  };
  test.scope.spawn(writing(test.stream, parts));
  const std::string bytes = test.inner.take_written();
  std::string plain;
  for (std::string_view part : parts) plain += part;
  EXPECT_LT(bytes.size(), plain.size() + plain.size() / 100);
  test.peer.receive(bytes);
  EXPECT_EQ(Pair::received(test.peer), plain);
}

TEST(TlsStream, EndsWithThePeersCloseAndTellsTruncation) {
  StreamPair orderly;
  orderly.open();
  orderly.scope.spawn(orderly.read_all());
  orderly.peer.close_notify();
  orderly.inner.push(orderly.peer.take_output());
  EXPECT_TRUE(orderly.ended);
  EXPECT_FALSE(orderly.stream.was_truncated());
  StreamPair cut;
  cut.open();
  cut.scope.spawn(cut.read_all());
  cut.inner.push_end();
  EXPECT_TRUE(cut.ended);
  EXPECT_TRUE(cut.stream.was_truncated());
}

TEST(TlsStream, SaysCloseNotifyWhenItCloses) {
  StreamPair test;
  test.open();
  test.stream.close();
  EXPECT_TRUE(test.inner.is_closed());
  test.peer.receive(test.inner.take_written());
  std::array<char, 10> buffer;
  EXPECT_EQ(test.peer.read(buffer).state, tls::ReadState::ended);
}

TEST(TlsStream, ClosingAndInterruptingEndAWaitingRead) {
  StreamPair closed;
  closed.open();
  closed.scope.spawn(closed.read_all());
  closed.stream.close();
  ASSERT_TRUE(closed.read_error);
  EXPECT_EQ(closed.read_error->code(), Errc::cancelled);
  StreamPair interrupted;
  interrupted.open();
  interrupted.scope.spawn(interrupted.read_all());
  interrupted.stream.interrupt_reads();
  ASSERT_TRUE(interrupted.read_error);
  EXPECT_EQ(interrupted.read_error->code(), Errc::cancelled);
  interrupted.scope.spawn(interrupted.write("421 bye\r\n"));
  EXPECT_TRUE(interrupted.written && *interrupted.written);
}

TEST(TlsStream, AWokenReaderMayReadAgain) {
  for (const bool speaks_between : {false, true}) {
    StreamPair test;
    test.open();
    test.scope.spawn(test.read_all());
    test.stream.wake_reader();
    ASSERT_TRUE(test.read_error);
    EXPECT_EQ(test.read_error->code(), Errc::cancelled);
    test.read_error.reset();
    test.stream.wake_reader();  // nobody waits: nothing happens
    if (speaks_between) test.say("250 one\r\n");
    test.scope.spawn(test.read_all());
    if (!speaks_between) test.say("250 one\r\n");
    EXPECT_FALSE(test.read_error);
    EXPECT_EQ(test.read, (std::vector<std::string>{"250 one\r\n"}));
  }
}

TEST(TlsStream, GivesTheInnerStreamsDeadlineAndErrors) {
  StreamPair late;
  late.open();
  late.scope.spawn(late.read_all());
  late.stream.set_deadline(Instant{5});
  EXPECT_EQ(late.inner.deadline(), Instant{5});
  late.inner.expire_deadline();
  ASSERT_TRUE(late.read_error);
  EXPECT_EQ(late.read_error->code(), Errc::timed_out);
  late.scope.spawn(late.write("421 late\r\n"));
  EXPECT_TRUE(late.written && *late.written);

  StreamPair reset;
  reset.open();
  reset.scope.spawn(reset.read_all());
  reset.inner.push_error(Errc::connection_reset);
  ASSERT_TRUE(reset.read_error);
  EXPECT_EQ(reset.read_error->code(), Errc::connection_reset);
}

TEST(TlsStream, ABrokenRecordEndsTheStream) {
  StreamPair test;
  test.open();
  test.scope.spawn(test.read_all());
  ASSERT_TRUE(test.peer.write("hello"));
  std::string bytes = test.peer.take_output();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  test.inner.push(bytes);
  ASSERT_TRUE(test.read_error);
  EXPECT_EQ(test.read_error->code(), Errc::connection_reset);
}

TEST(TlsStream, KnowsWhetherInputWaits) {
  StreamPair test;
  test.open();
  EXPECT_FALSE(test.stream.has_input());
  test.say("early");
  EXPECT_TRUE(test.stream.has_input());
  test.scope.spawn(test.read_all());
  EXPECT_FALSE(test.stream.has_input());
}

TEST(TlsStream, AFailedWriteIsTold) {
  StreamPair test;
  test.open();
  test.inner.fail_writes_after(3, Errc::connection_reset);
  test.scope.spawn(test.write("250 OK\r\n"));
  ASSERT_TRUE(test.written);
  EXPECT_FALSE(*test.written);
}

TEST(TlsStream, AHandshakeEndsWithItsConnection) {
  StreamPair gone;
  gone.scope.spawn(gone.shake());
  gone.inner.push_end();
  ASSERT_TRUE(gone.shaken);
  EXPECT_FALSE(*gone.shaken);
  StreamPair closed;
  closed.scope.spawn(closed.shake());
  closed.stream.close();
  ASSERT_TRUE(closed.shaken);
  EXPECT_FALSE(*closed.shaken);
  StreamPair plain;
  plain.scope.spawn(plain.shake());
  plain.inner.push("EHLO plain.test\r\n");
  ASSERT_TRUE(plain.shaken);
  EXPECT_FALSE(*plain.shaken);
  EXPECT_NE(plain.shaken->error().detail().find("wrong version number"), std::string::npos)
      << plain.shaken->error().detail();
}

// A session that ends when its handshake does, and takes the streams with it.
struct Owner {
  World world;
  Pair pair{world, {}, any_server()};
  std::unique_ptr<MemoryStream> inner = std::make_unique<MemoryStream>();
  std::unique_ptr<TlsStream> stream = std::make_unique<TlsStream>(*inner, std::move(pair.server));
  Scope scope;

  Task<void> run() {
    const Result<Handshake> shaken = co_await stream->handshake();
    EXPECT_FALSE(shaken);
    stream.reset();
    inner.reset();
  }
};

TEST(TlsStream, ASessionMayDestroyTheStreamWhoseHandshakeWasEnded) {
  Owner closed;
  closed.scope.spawn(closed.run());
  closed.stream->close();
  EXPECT_EQ(closed.stream, nullptr);
  Owner interrupted;
  interrupted.scope.spawn(interrupted.run());
  interrupted.stream->interrupt_reads();
  EXPECT_EQ(interrupted.stream, nullptr);
}

}  // namespace
}  // namespace godwit::test
