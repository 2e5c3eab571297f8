// What loading a server's and a client's context have in common. Only for this folder.
#pragma once

#include "tls/context.h"
#include "tls/openssl.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::tls {

class ContextLoader {
 public:
  explicit ContextLoader(Context& context) : context_(context) {}

  Result<void> begin(const SSL_METHOD* method, const std::string& options);
  Result<void> set_ciphers(std::string_view list);
  Result<void> add_certificate(const std::string& certificate, const std::string& key);
  // True where there is now something to verify by.
  Result<bool> set_authorities(const std::string& source, const std::string& crl);

 protected:
  SSL_CTX* native() const noexcept { return context_.native_; }
  void note_file(const std::string& path) { context_.files_.push_back(FileStamp::of(path)); }
  void note_problem(std::string text) { context_.problems_.push_back(std::move(text)); }

 private:
  Context& context_;
};

// A list of ALPN names in wire form (RFC 7301 3.1).
std::string alpn_wire(std::string_view list);
// The bytes of a file of at most `bytes_max`.
Result<std::string> read_whole_file(const std::string& path, size_t bytes_max);

}  // namespace godwit::tls
