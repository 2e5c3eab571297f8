// SourceSession: one SMTP client of a run. Takes messages until there are none, over one connection
// (-d) or a new one each.
#pragma once

#include "bench/source/reply_reader.h"
#include "bench/source/run.h"
#include "tls/tls_stream.h"

#include <memory>
#include <string>

namespace godwit::bench {

class SourceSession {
 public:
  SourceSession(Run& run, uint32_t index) : run_(run), index_(index) {}
  ~SourceSession() { drop(); }
  SourceSession(const SourceSession&) = delete;
  SourceSession& operator=(const SourceSession&) = delete;

  Task<void> run();
  // Opens the session, stays idle for the run's --hold, and leaves.
  Task<void> hold();

 private:
  // How a transaction goes; what the ledger wants to know of it.
  struct Transaction {
    Assignment assignment;
    Token token;
    std::string_view content;
    int worst = 0;               // the reply that ended it, where it is not a success
    bool data_accepted = false;  // 354 came, or BDAT was answered
    bool unanswered = false;     // the connection was lost while a reply was awaited
  };

  Task<bool> wait_until_due(Assignment& assignment);
  // True with a connection that was greeted and said EHLO.
  Task<bool> ensure_open();
  Task<bool> open_once(bool is_last_try);
  Task<bool> greet();
  Task<bool> say_hello();
  Task<bool> start_tls();
  Task<bool> transact(Assignment assignment);
  Task<bool> send_envelope(Transaction& transaction);
  Task<bool> send_content(Transaction& transaction);
  Task<bool> send_chunks(Transaction& transaction);
  // Reads the reply to the end of the message; with LMTP one for each recipient.
  Task<bool> read_outcome(Transaction& transaction, Instant sent);
  Task<void> leave();
  // Sends and reads one reply that must be of the class `wanted` (2 or 3).
  Task<bool> exchange(Phase phase, std::string_view command, int wanted);
  // The next reply; code -1 where the connection is lost, which is noted.
  Task<int> read_reply();

  bool judge_envelope_reply(Transaction& transaction, size_t index, int code);
  void append_command(size_t index);
  void append_recipient(std::string& out, size_t index) const;
  void choose_recipients();
  void record(const Transaction& transaction, std::string_view outcome,
              std::string_view recipients);
  void unexpected(std::string_view step);
  void show(std::string_view prefix, std::string_view text) const;
  void drop() noexcept;
  ByteStream& stream() noexcept {
    if (tls_ != nullptr) return *tls_;
    return *socket_;
  }
  size_t envelope_size() const noexcept { return options().recipients + 2; }
  const SourceOptions& options() const noexcept { return run_.options(); }

  Run& run_;
  uint32_t index_;
  std::unique_ptr<UvStream> socket_;
  std::unique_ptr<tls::TlsStream> tls_;  // over socket_
  ReplyReader replies_;
  ServerReply last_;
  std::string error_;              // why read_reply gave -1
  std::string commands_;           // of one write
  std::string recipients_;         // accepted ones, joined with commas
  std::vector<uint64_t> numbers_;  // of this transaction's recipients; 0 for none
  std::vector<size_t> accepted_;   // indexes of the recipients that were accepted
  bool offers_pipelining_ = false;
  bool offers_chunking_ = false;
};

}  // namespace godwit::bench
