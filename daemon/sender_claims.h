// What -oMa and its kin claim of the origin of a message on standard input. Only a trusted caller
// is believed. Used by: -bm, -t, -bs, -bS.
#pragma once

#include "core/base/result.h"
#include "daemon/command_line.h"
#include "daemon/smtp_session.h"
#include "daemon/submitter.h"

#include <optional>
#include <string_view>

namespace godwit::daemon {

struct SenderClaims {
  std::optional<Endpoint> peer;   // -oMa
  std::optional<Endpoint> local;  // -oMi
  ClaimedOrigin names;
};

// The error says which value is wrong.
Result<SenderClaims> claims_of(const CommandLine& line, const Submitter& who);

// " A=name:id" of an arrival line; empty where nobody was authenticated.
std::string authentication_field(const ClaimedOrigin& names);

// "192.0.2.1", "192.0.2.1.25", "[192.0.2.1]:25"; without a port it is `port`.
std::optional<Endpoint> parse_host(std::string_view text, uint16_t port);

}  // namespace godwit::daemon
