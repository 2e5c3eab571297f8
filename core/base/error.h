// Error: what went wrong, as a code and one short detail. The code's row says all the rest: its
// class, and the SMTP reply that tells a client about it. Rows live in error.cc.
// Used by every floor. A value type; copying copies the detail string.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace godwit {

// What a caller may do about an error. Only `temporary` may be tried again as it stands.
enum class ErrorClass : uint8_t { permanent, temporary, cancelled, internal };

enum class Errc : uint8_t {
  // The order is the order of the rows in error.cc.
  invalid_argument,    // a value that its reader does not accept
  malformed,           // bytes that break the rules of their format
  too_long,            // a line, a field or a message over its named bound
  too_many,            // more of something than its named bound
  not_found,           // a file, a message, a name that must exist
  already_exists,      // a file or a name that must not exist
  permission_denied,   // the operating system refuses
  unsupported,         // legal, but not something that this program does
  config,              // the configuration is wrong; the detail names the place
  cancelled,           // the owner of the work asked it to end
  timed_out,           // a deadline passed
  connection_refused,  // nobody listens there
  connection_reset,    // the peer or the network ended the connection hard
  connection_closed,   // the peer closed in an orderly way where more was expected
  unreachable,         // no route to the host or network
  no_descriptors,      // out of file descriptors
  no_memory,           // out of memory or of a configured memory bound
  disk_full,           // ENOSPC or EDQUOT
  lookup_deferred,     // a file, database or server could not be asked; the detail says all
  disk_error,          // EIO and whatever else a disk answers; the data may not be there
  locked,              // somebody else holds the lock
  dns_failed,          // the DNS gave no answer to rely on: SERVFAIL, refusal, garbage, silence
  unknown_io,          // any other error of the operating system; the detail has its text
  internal,            // a state that our own code must not reach; logged, answered with 451
};
inline constexpr size_t kErrcCount = static_cast<size_t>(Errc::internal) + 1;

struct ErrorRow {
  Errc code;
  std::string_view name;
  ErrorClass error_class;
  uint16_t smtp_code;         // RFC 5321 reply code
  std::string_view enhanced;  // RFC 3463 status
  std::string_view text;
};

const ErrorRow& error_row(Errc code) noexcept;

class Error {
 public:
  explicit Error(Errc code, std::string detail = {}) : code_(code), detail_(std::move(detail)) {}

  Errc code() const noexcept { return code_; }
  const std::string& detail() const noexcept { return detail_; }
  const ErrorRow& row() const noexcept { return error_row(code_); }
  bool is_temporary() const noexcept { return row().error_class == ErrorClass::temporary; }
  bool is_cancelled() const noexcept { return row().error_class == ErrorClass::cancelled; }
  // "text: detail", or the text alone.
  std::string to_string() const;

 private:
  Errc code_;
  std::string detail_;
};

// The Error for an errno value; `what` names the operation and its object ("open /path").
Error error_from_errno(int errno_value, std::string_view what);

}  // namespace godwit
