#include "delivery/queue/log_lines.h"
#include "tls/facts.h"

#include <gtest/gtest.h>

namespace godwit::delivery {
namespace {

using config::LogSelector;

config::LogSelectors selectors_of(std::initializer_list<LogSelector> wanted) {
  config::LogSelectors out;
  out.set(LogSelector::tls_cipher, false);
  out.set(LogSelector::tls_certificate_verified, false);
  for (LogSelector selector : wanted) out.set(selector, true);
  return out;
}

acl::TlsFacts session() {
  acl::TlsFacts tls;
  tls.cipher = "TLS1.3:TLS_AES_256_GCM_SHA384:256";
  tls.peer_dn = "/CN=mail.test";
  tls.sni = "mx.test";
  return tls;
}

TEST(TlsFields, ShowWhatIsSelectedAndNothingWithoutTls) {
  const config::LogSelectors all =
      selectors_of({LogSelector::tls_cipher, LogSelector::tls_certificate_verified,
                    LogSelector::tls_peerdn, LogSelector::tls_sni, LogSelector::tls_resumption});
  EXPECT_EQ(tls_fields({}, all, TlsLine::inbound), "");
  EXPECT_EQ(tls_fields(session(), all, TlsLine::inbound),
            " X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no DN=\"/CN=mail.test\" SNI=\"mx.test\"");
  EXPECT_EQ(tls_fields(session(), all, TlsLine::outbound),
            " X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no DN=\"/CN=mail.test\"");
  EXPECT_EQ(tls_fields(session(), selectors_of({LogSelector::tls_peerdn}), TlsLine::inbound),
            " DN=\"/CN=mail.test\"");
}

TEST(TlsFields, TellHowThePeerWasVerifiedAndWhetherTheSessionWasResumed) {
  const config::LogSelectors selected =
      selectors_of({LogSelector::tls_cipher, LogSelector::tls_certificate_verified,
                    LogSelector::tls_resumption});
  acl::TlsFacts tls = session();
  tls.certificate_verified = true;
  tls.resumption = tls::kResumptionUsed | tls::kResumptionSupported;
  EXPECT_EQ(tls_fields(tls, selected, TlsLine::outbound),
            " X=TLS1.3:TLS_AES_256_GCM_SHA384:256* CV=yes");
  tls.dane = true;
  EXPECT_EQ(tls_fields(tls, selected, TlsLine::outbound),
            " X=TLS1.3:TLS_AES_256_GCM_SHA384:256* CV=dane");
  // What a peer calls itself cannot end the field or the line.
  tls.peer_dn = "/CN=a\nb";
  EXPECT_EQ(tls_fields(tls, selectors_of({LogSelector::tls_peerdn}), TlsLine::outbound).find('\n'),
            std::string::npos);
}

}  // namespace
}  // namespace godwit::delivery
