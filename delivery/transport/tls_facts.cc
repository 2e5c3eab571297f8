#include "delivery/transport/tls_facts.h"

namespace godwit::delivery {

acl::TlsFacts tls_facts_of(const tls::SessionFacts& session) {
  acl::TlsFacts out;
  out.cipher = session.cipher;
  out.cipher_std = session.cipher_std;
  out.version = session.version;
  out.peer_dn = session.peer_dn;
  out.sni = session.sni;
  out.bits = session.bits;
  out.ocsp = static_cast<int64_t>(session.ocsp);
  out.resumption = session.resumption;
  out.peer_certificate = session.peer_certificate;
  out.our_certificate = session.our_certificate;
  out.certificate_verified = session.peer_check != tls::PeerCheck::no;
  out.dane = session.peer_check == tls::PeerCheck::dane;
  return out;
}

}  // namespace godwit::delivery
