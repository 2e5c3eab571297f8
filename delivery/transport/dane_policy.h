// DANE for one host of a delivery: what was found in DNS, and what follows from it. The asking is a
// DaneFinder's; the deciding is a function. EXIM.md 1.11, RFC 7672 2.
#pragma once

#include "core/io/task.h"
#include "tls/dane.h"

#include <cstdint>
#include <string>
#include <vector>

namespace godwit::delivery {

struct DaneAnswer {
  enum class Kind : uint8_t {
    host_not_secure,  // the host's own records are not vouched for by DNSSEC
    none,             // no TLSA records, securely so or not
    not_secure,       // TLSA records that DNSSEC does not vouch for
    found,
    temporary,  // could not ask
    failed,     // cannot be asked
  };
  Kind kind = Kind::host_not_secure;
  std::vector<tls::TlsaRecord> records;
  std::string base_name;  // where they were found, after aliases; the name of the server
};

// Asks for the TLSA records of a host whose own records came securely.
class DaneFinder {
 public:
  virtual ~DaneFinder() = default;
  // `initial_name`: what `host_name` was before aliases; asked where the host has none of its own.
  virtual Task<DaneAnswer> find(std::string host_name, std::string initial_name, uint16_t port) = 0;
};

struct DanePlan {
  enum class Use : uint8_t {
    no,            // deliver as if there were no DANE
    verify,        // TLS, verified by `judged.usable`
    encrypt_only,  // TLS, verified by nobody: records are there and none is usable
    defer,         // not this host now
  };
  Use use = Use::no;
  tls::TlsaJudgement judged;
  std::string base_name;
  bool is_required = false;  // by hosts_require_dane
  std::string problem;       // defer: why; no: what the log should know, if anything
};
// `tries`: hosts_try_dane matches; `requires`: hosts_require_dane does.
DanePlan dane_policy(bool tries, bool requires_dane, const std::string& host_name,
                     DaneAnswer answer);

}  // namespace godwit::delivery
