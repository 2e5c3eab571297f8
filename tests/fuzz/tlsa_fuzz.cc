// TLSA records of any shape: what is called usable can be used, and a handshake survives it.
#include "core/base/assert.h"
#include "tls/dane.h"
#include "tls/openssl.h"

#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit::tls;
  std::vector<TlsaRecord> records;
  // Usage, selector, matching type, length of the data, the data.
  while (size >= 4) {
    const size_t bytes = std::min<size_t>(data[3], size - 4);
    records.push_back(
        {data[0], data[1], data[2], std::string(reinterpret_cast<const char*>(data) + 4, bytes)});
    data += 4 + bytes;
    size -= 4 + bytes;
  }
  const TlsaJudgement judged = judge_tlsa(records);
  GODWIT_ASSERT(judged.has_records == !records.empty());
  if (judged.usable.empty()) return 0;
  static SSL_CTX* const context = [] {
    SSL_CTX* made = SSL_CTX_new(TLS_client_method());
    SSL_CTX_dane_enable(made);
    return made;
  }();
  const SslPtr ssl(SSL_new(context));
  const std::vector<std::string> names{"mx.fuzz.test", "fuzz.test"};
  const bool enabled = enable_dane(ssl.get(), judged.usable, names).has_value();
  GODWIT_ASSERT(enabled);
  return 0;
}
