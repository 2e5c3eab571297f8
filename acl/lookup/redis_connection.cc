#include "acl/lookup/redis_connection.h"

#include "acl/lookup/limits.h"
#include "core/io/uv_stream.h"

#include <utility>

namespace godwit::acl {
namespace {

// ServerSpec::fields.
constexpr size_t kDatabase = 0;
constexpr size_t kPassword = 1;

}  // namespace

RedisConnection::RedisConnection(Loop& loop, LookupPool& pool, ServerSpec server)
    : loop_(loop),
      pool_(pool),
      server_(std::move(server)),
      flush_(&RedisConnection::on_turn_end, this),
      deadline_(&RedisConnection::on_deadline, this) {}

Task<Result<RespReply>> RedisConnection::command(const std::vector<std::string>& words) {
  if (closing_) co_return deferred("REDIS connection closed");
  if (failure_ && loop_.clock().now() < retry_at_) co_return *failure_;
  if (pending_.size() >= kRedisPendingMax)
    co_return deferred("REDIS: too many commands wait for " + server_.address());
  append_resp_command(out_, words);
  Pending pending;
  pending.deadline = loop_.clock().now() + kRedisAnswerTime;
  pending_.push_back(&pending);
  if (pending_.size() == 1) watch_deadline();
  if (ready_) loop_.at_turn_end(flush_);
  if (!running_) scope_.spawn(run());
  co_await Reply{pending};
  co_return std::move(*pending.reply);
}

Task<void> RedisConnection::close() {
  closing_ = true;
  cancel_.cancel();
  if (stream_ != nullptr) stream_->interrupt_reads();
  co_await scope_.join();
}

Task<void> RedisConnection::run() {
  running_ = true;
  timed_out_ = false;
  std::optional<Error> ended;
  const Result<void> connected = co_await connect_and_log_in();
  if (connected) {
    failure_.reset();
    ready_ = true;
    loop_.at_turn_end(flush_);
    watch_deadline();
    RespReader reader;
    ended.emplace(co_await read_replies(reader));
  } else {
    ended.emplace(deferred("REDIS connection failed: " + connected.error().detail()));
  }
  if (!connected || timed_out_) {
    failure_ = ended;
    retry_at_ = loop_.clock().now() + kServerRetryDelay;
  }
  ready_ = false;
  // Nobody reads now; a write that waits ends here.
  if (stream_ != nullptr) stream_->close();
  stream_.reset();
  out_.clear();
  deadline_.disarm();
  running_ = false;
  fail_all(*ended);
}

Task<Result<void>> RedisConnection::connect_and_log_in() {
  if (!server_.socket.empty()) {
    auto connected = co_await connect_unix(loop_, server_.socket);
    if (!connected) co_return connected.error();
    stream_ = std::move(*connected);
  } else {
    const std::string host = server_.host.empty() ? "127.0.0.1" : server_.host;
    const IpAddress address = co_await ok(resolve_host(pool_, host));
    ConnectOptions options;
    options.to = Endpoint{address, server_.port};
    options.timeout = kConnectTime;
    options.cancel = &cancel_;
    auto connected = co_await connect(loop_, options);
    if (!connected) co_return connected.error();
    stream_ = std::move(*connected);
  }
  if (closing_) co_return Error(Errc::cancelled, "closed here");
  stream_->set_deadline(loop_.clock().now() + kConnectTime);
  co_await ok(log_in());
  stream_->set_deadline(Instant::never());
  co_return Result<void>();
}

Task<Result<void>> RedisConnection::log_in() {
  const std::string& password = server_.fields[kPassword];
  const std::string& database = server_.fields[kDatabase];
  RespReader reader;
  std::vector<std::vector<std::string>> commands;
  if (!password.empty()) commands.push_back({"AUTH", password});
  if (!database.empty()) commands.push_back({"SELECT", database});
  for (const std::vector<std::string>& words : commands) {
    std::string bytes;
    append_resp_command(bytes, words);
    const Result<void> written = co_await stream_->write(bytes);
    if (!written) co_return written.error();
    const RespReply reply = co_await ok(read_reply(reader));
    if (reply.kind == RespReply::Kind::error)
      co_return deferred(words.front() + " refused: " + reply.text);
  }
  co_return Result<void>();
}

Task<Result<RespReply>> RedisConnection::read_reply(RespReader& reader) {
  for (;;) {
    std::optional<RespReply> reply = reader.next();
    if (reply) co_return std::move(*reply);
    if (reader.has_failed()) co_return Error(Errc::malformed, "not a reply of Redis");
    const Result<std::string_view> bytes = co_await stream_->read();
    if (!bytes) co_return bytes.error();
    if (bytes->empty()) co_return Error(Errc::connection_closed, "the server ended the connection");
    reader.feed(*bytes);
  }
}

Task<Error> RedisConnection::read_replies(RespReader& reader) {
  for (;;) {
    const Result<std::string_view> bytes = co_await stream_->read();
    if (!bytes || bytes->empty()) break;
    reader.feed(*bytes);
    hand_out(reader);
    if (reader.has_failed())
      co_return deferred("REDIS: " + server_.address() + " sent no reply of Redis");
  }
  if (closing_) co_return deferred("REDIS connection closed");
  if (timed_out_) co_return deferred("REDIS: " + server_.address() + " did not answer in time");
  co_return deferred("REDIS connection to " + server_.address() + " was lost");
}

void RedisConnection::hand_out(RespReader& reader) {
  while (std::optional<RespReply> reply = reader.next()) {
    if (pending_.empty()) continue;  // nobody asked: pushed by the server
    Pending& pending = *pending_.front();
    pending_.pop_front();
    watch_deadline();
    pending.reply.emplace(std::move(*reply));
    // It may ask again at once.
    if (pending.waiter) pending.waiter.resume();
  }
}

void RedisConnection::fail_all(const Error& error) {
  // Who asks again gets a connection of its own.
  for (Pending* pending : std::exchange(pending_, {})) {
    pending->reply.emplace(error);
    if (pending->waiter) pending->waiter.resume();
  }
}

void RedisConnection::watch_deadline() {
  if (pending_.empty()) {
    deadline_.disarm();
  } else {
    loop_.timers().set(deadline_, pending_.front()->deadline);
  }
}

void RedisConnection::on_deadline(void* self) noexcept {
  auto& connection = *static_cast<RedisConnection*>(self);
  connection.timed_out_ = true;
  // Connecting and log-in have deadlines of their own.
  if (connection.ready_) connection.stream_->interrupt_reads();
}

void RedisConnection::on_turn_end(void* self) noexcept {
  auto& connection = *static_cast<RedisConnection*>(self);
  if (connection.ready_ && !connection.writing_ && !connection.out_.empty())
    connection.scope_.spawn(connection.write_out());
}

Task<void> RedisConnection::write_out() {
  writing_ = true;
  while (!out_.empty()) {
    const std::string bytes = std::exchange(out_, {});
    const Result<void> written = co_await stream_->write(bytes);
    if (written) continue;
    writing_ = false;
    // The reader ends the connection, if it is not that what ended the write.
    if (ready_) stream_->interrupt_reads();
    co_return;
  }
  writing_ = false;
}

}  // namespace godwit::acl
