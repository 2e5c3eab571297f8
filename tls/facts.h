// What is known of a TLS session after its handshake: the values behind $tls_in_* and $tls_out_*,
// and the X=, CV=, DN= and SNI= of log lines. A value type without a trace of the library.
#pragma once

#include <cstdint>
#include <string>

namespace godwit::tls {

// $tls_in_ocsp and $tls_out_ocsp; Exim's numbers. On a server `verified` means that a proof went
// with the handshake.
enum class OcspState : uint8_t {
  not_requested = 0,
  no_response = 1,
  not_verified = 2,
  failed = 3,
  verified = 4,
};

// One certificate of the peer's chain.
struct ChainLink {
  std::string pem;
  std::string subject;
};

enum class PeerCheck : uint8_t { no, yes, dane };

// $tls_in_resumption: bits, with Exim's values.
enum ResumptionBits : uint8_t {
  kResumptionSupported = 1,
  kResumptionClientRequested = 2,
  kResumptionSessionOffered = 4,
  kResumptionTicketIssued = 8,
  kResumptionUsed = 16,
};

struct SessionFacts {
  std::string version;     // "TLS1.3"
  std::string cipher;      // "TLS1.3:TLS_AES_256_GCM_SHA384:256"
  std::string cipher_std;  // IANA's name
  std::string peer_dn;     // "/C=DE/CN=mail.example"; empty where the peer showed no certificate
  std::string peer_certificate;  // PEM; empty for none
  std::string our_certificate;   // PEM; empty for none
  std::string sni;
  std::string alpn;
  std::string verify_error;  // why peer_check is `no`; empty where nothing was checked
  std::string ocsp_problem;  // why there is no verified proof
  int64_t bits = 0;
  PeerCheck peer_check = PeerCheck::no;
  OcspState ocsp = OcspState::not_requested;
  uint8_t resumption = 0;  // ResumptionBits

  bool is_resumed() const noexcept { return (resumption & kResumptionUsed) != 0; }
};

}  // namespace godwit::tls
