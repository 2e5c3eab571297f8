#include "core/base/error.h"

#include <array>
#include <cerrno>
#include <cstring>

namespace godwit {
namespace {

// clang-format off
constexpr std::array kRows{
    //       code                      name                  class                   smtp  enhanced  text
    ErrorRow{Errc::invalid_argument,   "invalid_argument",   ErrorClass::permanent,  501,  "5.5.4",  "invalid value"},
    ErrorRow{Errc::malformed,          "malformed",          ErrorClass::permanent,  501,  "5.5.2",  "malformed data"},
    ErrorRow{Errc::too_long,           "too_long",           ErrorClass::permanent,  552,  "5.3.4",  "too long"},
    ErrorRow{Errc::too_many,           "too_many",           ErrorClass::permanent,  452,  "4.5.3",  "too many"},
    ErrorRow{Errc::not_found,          "not_found",          ErrorClass::permanent,  550,  "5.1.1",  "not found"},
    ErrorRow{Errc::already_exists,     "already_exists",     ErrorClass::permanent,  550,  "5.3.0",  "exists already"},
    ErrorRow{Errc::permission_denied,  "permission_denied",  ErrorClass::permanent,  550,  "5.7.0",  "permission denied"},
    ErrorRow{Errc::unsupported,        "unsupported",        ErrorClass::permanent,  502,  "5.5.1",  "not supported"},
    ErrorRow{Errc::config,             "config",             ErrorClass::permanent,  451,  "4.3.5",  "configuration error"},
    ErrorRow{Errc::cancelled,          "cancelled",          ErrorClass::cancelled,  421,  "4.3.2",  "cancelled"},
    ErrorRow{Errc::timed_out,          "timed_out",          ErrorClass::temporary,  451,  "4.4.1",  "timed out"},
    ErrorRow{Errc::connection_refused, "connection_refused", ErrorClass::temporary,  451,  "4.4.1",  "Connection refused"},
    ErrorRow{Errc::connection_reset,   "connection_reset",   ErrorClass::temporary,  451,  "4.4.2",  "Connection reset by peer"},
    ErrorRow{Errc::connection_closed,  "connection_closed",  ErrorClass::temporary,  451,  "4.4.2",  "connection closed"},
    ErrorRow{Errc::unreachable,        "unreachable",        ErrorClass::temporary,  451,  "4.4.1",  "host unreachable"},
    ErrorRow{Errc::no_descriptors,     "no_descriptors",     ErrorClass::temporary,  451,  "4.3.2",  "out of file descriptors"},
    ErrorRow{Errc::no_memory,          "no_memory",          ErrorClass::temporary,  452,  "4.3.1",  "out of memory"},
    ErrorRow{Errc::disk_full,          "disk_full",          ErrorClass::temporary,  452,  "4.3.1",  "no space left on device"},
    ErrorRow{Errc::lookup_deferred,    "lookup_deferred",    ErrorClass::temporary,  451,  "4.3.0",  "the lookup could not be done"},
    ErrorRow{Errc::disk_error,         "disk_error",         ErrorClass::temporary,  452,  "4.3.0",  "disk error"},
    ErrorRow{Errc::locked,             "locked",             ErrorClass::temporary,  451,  "4.3.0",  "locked by another process"},
    ErrorRow{Errc::dns_failed,         "dns_failed",         ErrorClass::temporary,  451,  "4.4.3",  "DNS look-up did not complete"},
    ErrorRow{Errc::unknown_io,         "unknown_io",         ErrorClass::temporary,  451,  "4.3.0",  "system error"},
    ErrorRow{Errc::internal,           "internal",           ErrorClass::internal,   451,  "4.3.0",  "internal error"},
};
// clang-format on

consteval bool rows_cover_codes() {
  if (kRows.size() != kErrcCount) return false;
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].code) != i) return false;
    const bool reply_is_permanent = kRows[i].enhanced.front() == '5';
    if (reply_is_permanent && kRows[i].error_class != ErrorClass::permanent) return false;
  }
  return true;
}
static_assert(rows_cover_codes(), "one row a code, in order; a temporary error never answers 5xx");

}  // namespace

const ErrorRow& error_row(Errc code) noexcept {
  return kRows[static_cast<size_t>(code)];
}

std::string Error::to_string() const {
  std::string out(row().text);
  if (!detail_.empty()) {
    out += ": ";
    out += detail_;
  }
  return out;
}

Error error_from_errno(int errno_value, std::string_view what) {
  Errc code = Errc::unknown_io;
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      code = Errc::not_found;
      break;
    case EEXIST:
      code = Errc::already_exists;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = Errc::permission_denied;
      break;
    case ETIMEDOUT:
      code = Errc::timed_out;
      break;
    case ECONNREFUSED:
      code = Errc::connection_refused;
      break;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
      code = Errc::connection_reset;
      break;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
      code = Errc::unreachable;
      break;
    case EMFILE:
    case ENFILE:
      code = Errc::no_descriptors;
      break;
    case ENOMEM:
    case ENOBUFS:
      code = Errc::no_memory;
      break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      code = Errc::disk_full;
      break;
    case EIO:
      code = Errc::disk_error;
      break;
    case EAGAIN:
    case EBUSY:
    case ETXTBSY:
      code = Errc::locked;
      break;
    case ECANCELED:
      code = Errc::cancelled;
      break;
    default:
      break;
  }
  std::string detail(what);
  detail += ": ";
  char text[128];
  detail += strerror_r(errno_value, text, sizeof text);
  return Error(code, std::move(detail));
}

}  // namespace godwit
