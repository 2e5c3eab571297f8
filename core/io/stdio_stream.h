// StdioStream: standard input and output as a ByteStream, blocking: for a process whose whole work
// is one session (-bs, -bS). Local programs end lines with LF: each becomes CRLF.
#pragma once

#include "core/io/stream.h"

#include <string>

namespace godwit {

class Clock;

class StdioStream final : public ByteStream {
 public:
  // `silent`: nothing is written (batched SMTP). The deadline is measured by `clock`, which
  // outlives the stream.
  StdioStream(const Clock& clock, bool silent) : clock_(clock), silent_(silent) {}

  void set_deadline(Instant deadline) override { deadline_ = deadline; }
  void close() noexcept override { closed_ = true; }
  bool has_input() const override { return false; }

 protected:
  bool try_read() override;
  void wait_readable() override {}
  bool try_write(std::span<const std::string_view> parts) override;

 private:
  bool waits_in_vain() const;

  const Clock& clock_;
  Instant deadline_ = Instant::never();
  std::string buffer_;
  std::string lines_;
  bool ended_in_cr_ = false;
  bool silent_;
  bool closed_ = false;
};

}  // namespace godwit
