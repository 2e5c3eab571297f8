// DANE for SMTP: which TLSA records count, and how a session is told to verify by them.
// The records come from whoever asked DNS, securely; nothing here asks anything.
// RFC 6698, 7671, 7672.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

struct ssl_st;

namespace godwit::tls {

struct TlsaRecord {
  uint8_t usage = 0;
  uint8_t selector = 0;
  uint8_t matching_type = 0;
  std::string data;  // bytes, not hex
  bool operator==(const TlsaRecord&) const = default;
};

// RFC 7672 3.1: DANE-TA(2) and DANE-EE(3) with known selectors and matching types, and digests of
// the right length. Usages 0 and 1 have no meaning between mail servers.
bool is_usable_tlsa(const TlsaRecord& record) noexcept;

struct TlsaJudgement {
  std::vector<TlsaRecord> usable;
  uint8_t usages = 0;  // $tls_out_tlsa_usage: bit n where a record of usage n is there
  bool has_records = false;
  // Records are there and none counts: TLS is a must, and nobody can be verified (RFC 7672 2.2).
  bool is_encrypt_only() const noexcept { return has_records && usable.empty(); }
};
TlsaJudgement judge_tlsa(std::span<const TlsaRecord> records);

// Makes `ssl` verify its peer by `records`, which must be usable ones. `names` are the reference
// names for DANE-TA, the TLSA base domain first; they do not matter to DANE-EE.
Result<void> enable_dane(ssl_st* ssl, std::span<const TlsaRecord> records,
                         std::span<const std::string> names);

}  // namespace godwit::tls
