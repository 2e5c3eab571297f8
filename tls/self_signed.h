// Certificates that vouch for themselves: for a server whose configuration names none.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"

#include <string>

struct ssl_ctx_st;

namespace godwit::tls {

// Makes an ECDSA and an RSA key with a certificate for `host_name` each, and gives them to
// `context`. They live in memory alone.
Result<void> add_self_signed(ssl_ctx_st* context, const std::string& host_name, WallTime now);

}  // namespace godwit::tls
