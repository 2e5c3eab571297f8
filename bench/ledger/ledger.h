// Ledgers: what the source handed over and what the sink received, a line a message, and the
// comparison of both. Text files that are only appended to:
//
//   S token outcome micros recipients          source; outcome 250, 4xx, 5xx or unknown
//   R token check   micros bytes recipients    sink; check ok, short, long, corrupt or none
//
// Recipients are joined with commas; a source line names those only that its server accepted at
// RCPT. A message without a token has "-" for it. micros are of the wall clock.
#pragma once

#include "bench/common/token.h"
#include "core/base/result.h"
#include "core/base/time.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::bench {

// Collects lines and writes them in large pieces: at once where much has gathered, otherwise when
// its owner calls flush(), which it does at least every kFlushEvery.
class LedgerWriter {
 public:
  static constexpr Millis kFlushEvery{100};

  LedgerWriter() = default;
  ~LedgerWriter();
  LedgerWriter(const LedgerWriter&) = delete;
  LedgerWriter& operator=(const LedgerWriter&) = delete;

  // Appends to `path`. Until it is open, lines go nowhere.
  Result<void> open(const std::string& path);
  bool is_open() const noexcept { return descriptor_ >= 0; }

  void add_sent(std::string_view token, std::string_view outcome, WallTime at,
                std::string_view recipients);
  void add_received(std::string_view token, std::string_view check, WallTime at, uint64_t bytes,
                    std::string_view recipients);
  // Stops the program with a message where the disk refuses: a ledger with a hole proves nothing.
  void flush();

 private:
  void field(std::string_view text);
  void end_line();

  int descriptor_ = -1;
  std::string path_;
  std::string buffer_;
};

enum class Outcome : uint8_t { accepted, deferred, refused, unknown };

struct SentLine {
  Token token;
  Outcome outcome = Outcome::unknown;
  std::vector<std::string_view> recipients;
};

struct ReceivedLine {
  bool has_token = false;
  Token token;
  std::string_view check;
  std::vector<std::string_view> recipients;
};

// One line, without its end. Views point into `line`. Errc::malformed with the reason.
Result<SentLine> parse_sent(std::string_view line);
Result<ReceivedLine> parse_received(std::string_view line);

}  // namespace godwit::bench
