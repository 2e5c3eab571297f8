#include "tls/dane.h"

#include "tls/limits.h"
#include "tls/openssl.h"

#include <openssl/x509v3.h>

namespace godwit::tls {
namespace {

constexpr uint8_t kTrustAnchor = 2;
constexpr uint8_t kEndEntity = 3;
constexpr size_t kSha256Bytes = 32;
constexpr size_t kSha512Bytes = 64;

bool is_whole_object(const TlsaRecord& record) noexcept {
  const auto* at = reinterpret_cast<const unsigned char*>(record.data.data());
  const unsigned char* const end = at + record.data.size();
  const auto size = static_cast<long>(record.data.size());
  if (record.selector == 0) {
    const X509Ptr certificate(d2i_X509(nullptr, &at, size));
    return certificate != nullptr && at == end;
  }
  const PkeyPtr key(d2i_PUBKEY(nullptr, &at, size));
  return key != nullptr && at == end;
}

}  // namespace

bool is_usable_tlsa(const TlsaRecord& record) noexcept {
  if (record.usage != kTrustAnchor && record.usage != kEndEntity) return false;
  if (record.selector > 1) return false;
  switch (record.matching_type) {
    case 0: {
      const bool whole = !record.data.empty() && record.data.size() <= kTlsaDataBytesMax &&
                         is_whole_object(record);
      take_library_error({});
      return whole;
    }
    case 1:
      return record.data.size() == kSha256Bytes;
    case 2:
      return record.data.size() == kSha512Bytes;
    default:
      return false;
  }
}

TlsaJudgement judge_tlsa(std::span<const TlsaRecord> records) {
  TlsaJudgement out;
  out.has_records = !records.empty();
  for (const TlsaRecord& record : records) {
    if (record.usage < 8) out.usages = static_cast<uint8_t>(out.usages | (1u << record.usage));
    if (out.usable.size() < kTlsaRecordsMax && is_usable_tlsa(record)) out.usable.push_back(record);
  }
  return out;
}

Result<void> enable_dane(ssl_st* ssl, std::span<const TlsaRecord> records,
                         std::span<const std::string> names) {
  const std::string base = names.empty() ? std::string() : names.front();
  if (SSL_dane_enable(ssl, base.c_str()) != 1)
    return Error(Errc::internal, take_library_error("DANE cannot be used"));
  // RFC 7672 3.1.1: a DANE-EE record vouches for the key itself, whatever names it has.
  SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  for (size_t i = 1; i < names.size(); ++i) {
    if (SSL_add1_host(ssl, names[i].c_str()) != 1)
      return Error(Errc::invalid_argument, "\"" + names[i] + "\" is no host name");
  }
  bool any = false;
  for (const TlsaRecord& record : records) {
    const auto* data = reinterpret_cast<const unsigned char*>(record.data.data());
    any |= SSL_dane_tlsa_add(ssl, record.usage, record.selector, record.matching_type, data,
                             record.data.size()) > 0;
  }
  if (!any) return Error(Errc::invalid_argument, take_library_error("no TLSA record can be used"));
  take_library_error({});
  return {};
}

}  // namespace godwit::tls
