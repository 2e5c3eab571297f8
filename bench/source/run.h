// Run: what the sessions of one run share: which message is next and when, the contents, the
// report, the ledger, and whether it is over.
#pragma once

#include "bench/ledger/ledger.h"
#include "bench/source/content.h"
#include "bench/source/options.h"
#include "bench/source/report.h"
#include "core/io/cancel.h"
#include "core/io/event.h"
#include "core/io/loop.h"
#include "core/io/scope.h"
#include "core/io/uv_stream.h"
#include "tls/context.h"
#include "tls/session_cache.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace godwit::bench {

// A message to send.
struct Assignment {
  uint64_t sequence = 0;
  Instant scheduled;  // where the run has a schedule; otherwise the moment of asking
};

class Run {
 public:
  Run(Loop& loop, const SourceOptions& options, Target target, ContentSet contents, uint32_t id);

  // Runs all sessions to their end and gives the exit status: 0 for success, 1 where something
  // failed, 2 where the time limit ended it.
  int execute();
  // Asks all sessions to end where they are.
  void interrupt() noexcept;

  // The next message, or nothing where the run has sent all that it should.
  std::optional<Assignment> take();
  // A recipient number that was not used before (-N).
  uint64_t next_recipient_number() noexcept { return ++recipient_number_; }
  bool is_over() const noexcept { return over_; }
  // Something unexpected happened: counted with -A, otherwise the end of the run.
  void trouble(const std::string& text);
  void session_is_open();
  // The stream that interrupt() must close; nullptr for none.
  void set_stream(size_t session, UvStream* stream) noexcept { streams_[session] = stream; }

  Loop& loop() noexcept { return loop_; }
  const SourceOptions& options() const noexcept { return options_; }
  const Target& target() const noexcept { return target_; }
  uint32_t id() const noexcept { return id_; }
  ContentSet& contents() noexcept { return contents_; }
  Report& report() noexcept { return report_; }
  LedgerWriter& ledger() noexcept { return ledger_; }
  // With --tls.
  const std::shared_ptr<const tls::ClientContext>& tls_context() const noexcept {
    return tls_context_;
  }
  tls::SessionCache& tls_sessions() noexcept { return tls_sessions_; }
  Random& random() noexcept { return random_; }
  CancelSource& cancel() noexcept { return cancel_; }
  Instant now() const { return loop_.clock().now(); }
  WallTime wall() const { return loop_.clock().wall(); }

 private:
  Task<void> conduct();
  Task<void> tick();
  Task<void> run_session(uint32_t index);
  void watch(Instant now);
  void show_progress(Instant now, bool is_last);

  Loop& loop_;
  const SourceOptions& options_;
  Target target_;
  ContentSet contents_;
  uint32_t id_;
  Random random_;
  Report report_;
  LedgerWriter ledger_;
  std::shared_ptr<const tls::ClientContext> tls_context_;
  tls::SessionCache tls_sessions_;
  CancelSource cancel_;  // sessions
  CancelSource tick_cancel_;
  Scope sessions_;
  std::vector<UvStream*> streams_;
  Instant started_;
  Instant progress_at_;
  uint64_t progress_count_ = 0;
  uint64_t taken_ = 0;
  uint64_t recipient_number_ = 0;
  uint64_t open_sessions_ = 0;
  bool warm_ = false;
  bool over_ = false;
  bool failed_ = false;
  bool timed_out_ = false;
};

}  // namespace godwit::bench
