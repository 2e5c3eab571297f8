// Sink: the server of smtp-sink: accepts, runs a dialogue for each connection, counts, keeps the
// ledger, and knows when to end.
#pragma once

#include "bench/ledger/ledger.h"
#include "bench/sink/dialogue.h"
#include "core/io/cancel.h"
#include "core/io/event.h"
#include "core/io/listener.h"
#include "core/io/scope.h"
#include "tls/context.h"
#include "tls/tickets.h"

#include <deque>
#include <memory>
#include <string>
#include <unordered_set>

namespace godwit::bench {

class Sink final : ConnectionHandler, MessageTaker {
 public:
  Sink(Loop& loop, const SinkOptions& options);
  ~Sink() override = default;

  // Serves `descriptor`, a bound socket, until one of the ends that the options name or stop().
  Result<void> serve(int descriptor, UvStream::Kind kind);
  void stop() noexcept;
  std::string to_json() const;

 private:
  void on_connection(std::unique_ptr<UvStream> stream) override;
  void on_accept_error(const Error& error) override;
  void on_message(const TakenMessage& message) override;
  void on_quit() override;

  Task<void> conduct();
  Task<void> tick();
  Task<void> session(std::unique_ptr<UvStream> stream);
  // From `next` on, to the end of the session or, which gives true, to where TLS begins.
  Task<bool> converse(ByteStream& stream, SinkDialogue& dialogue, SinkDialogue::Next next);
  Task<void> converse_in_tls(ByteStream& stream, SinkDialogue& dialogue);
  // Sends what the dialogue said, and waits where it asks for that; then input, tls or end.
  Task<SinkDialogue::Next> follow(ByteStream& stream, SinkDialogue& dialogue,
                                  SinkDialogue::Next next);
  Instant deadline() const;
  void session_ended();
  void show_counters() const;
  void watch();
  static void on_last_message(void* self) noexcept;
  void show(std::string_view prefix, std::string_view text) const;

  Loop& loop_;
  const SinkOptions& options_;
  const std::string features_;
  const std::string features_in_tls_;
  tls::TicketKeys ticket_keys_;
  std::shared_ptr<const tls::ServerContext> tls_context_;  // with --tls
  Random random_;
  LedgerWriter ledger_;
  CancelSource cancel_;
  CancelSource tick_cancel_;
  Scope sessions_;
  std::unique_ptr<Listener> listener_;
  std::deque<std::unique_ptr<UvStream>> waiting_;  // over the limit of sessions at once
  std::unordered_set<UvStream*> streams_;
  Event stopped_;
  TurnEnd last_message_end_;
  Instant started_;
  Instant last_message_at_;
  Instant progress_at_;
  WallTime first_message_;
  WallTime last_message_;
  uint64_t messages_ = 0;
  uint64_t deliveries_ = 0;  // recipients of all messages
  uint64_t bytes_ = 0;
  uint64_t faulty_ = 0;  // messages that are not what their token says
  uint64_t sessions_begun_ = 0;
  uint64_t sessions_done_ = 0;
  uint64_t quits_ = 0;
  uint64_t handshakes_ = 0;
  uint64_t resumed_ = 0;  // of those
};

}  // namespace godwit::bench
