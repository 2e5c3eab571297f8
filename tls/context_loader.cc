#include "tls/context_loader.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "tls/engine_callbacks.h"
#include "tls/limits.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

namespace godwit::tls {
namespace {

struct OptionRow {
  std::string_view name;
  uint64_t bits;
};
// clang-format off
constexpr auto kOptions = std::to_array<OptionRow>({
    {"all",                                  SSL_OP_ALL},
    {"allow_no_dhe_kex",                     SSL_OP_ALLOW_NO_DHE_KEX},
    {"allow_unsafe_legacy_renegotiation",    SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION},
    {"cipher_server_preference",             SSL_OP_CIPHER_SERVER_PREFERENCE},
    {"cookie_exchange",                      SSL_OP_COOKIE_EXCHANGE},
    {"cryptopro_tlsext_bug",                 SSL_OP_CRYPTOPRO_TLSEXT_BUG},
    {"dont_insert_empty_fragments",          SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS},
    {"enable_middlebox_compat",              SSL_OP_ENABLE_MIDDLEBOX_COMPAT},
    {"ephemeral_rsa",                        0},
    {"legacy_server_connect",                SSL_OP_LEGACY_SERVER_CONNECT},
    {"microsoft_big_sslv3_buffer",           0},
    {"microsoft_sess_id_bug",                0},
    {"msie_sslv2_rsa_padding",               0},
    {"netscape_challenge_bug",               0},
    {"netscape_reuse_cipher_change_bug",     0},
    {"no_anti_replay",                       SSL_OP_NO_ANTI_REPLAY},
    {"no_compression",                       SSL_OP_NO_COMPRESSION},
    {"no_encrypt_then_mac",                  SSL_OP_NO_ENCRYPT_THEN_MAC},
    {"no_renegotiation",                     SSL_OP_NO_RENEGOTIATION},
    {"no_session_resumption_on_renegotiation", SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION},
    {"no_sslv2",                             0},
    {"no_sslv3",                             SSL_OP_NO_SSLv3},
    {"no_ticket",                            SSL_OP_NO_TICKET},
    {"no_tlsv1",                             SSL_OP_NO_TLSv1},
    {"no_tlsv1_1",                           SSL_OP_NO_TLSv1_1},
    {"no_tlsv1_2",                           SSL_OP_NO_TLSv1_2},
    {"no_tlsv1_3",                           SSL_OP_NO_TLSv1_3},
    {"prioritize_chacha",                    SSL_OP_PRIORITIZE_CHACHA},
    {"safari_ecdhe_ecdsa_bug",               SSL_OP_SAFARI_ECDHE_ECDSA_BUG},
    {"single_dh_use",                        0},
    {"single_ecdh_use",                      0},
    {"ssleay_080_client_dh_bug",             0},
    {"sslref2_reuse_cert_type_bug",          0},
    {"tls_block_padding_bug",                0},
    {"tls_d5_bug",                           0},
    {"tls_rollback_bug",                     0},
    {"tlsext_padding",                       SSL_OP_TLSEXT_PADDING},
});
// clang-format on
static_assert(std::ranges::is_sorted(kOptions, {}, &OptionRow::name));

// Where Debian and others keep all authorities in one file, which is read at once and not while
// somebody shakes hands.
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

struct OptionBits {
  uint64_t set = 0;
  uint64_t cleared = 0;
};

// "+no_sslv2 -no_ticket": words of a sign and a name.
Result<OptionBits> parse_options(std::string_view text) {
  OptionBits out;
  std::string_view rest = trim(text);
  while (!rest.empty()) {
    const char sign = rest.front();
    if (sign != '+' && sign != '-')
      return Error(Errc::config, "openssl_options: \"" + std::string(rest) + "\": + or - expected");
    const size_t end = std::min(rest.find_first_of(" \t+-", 1), rest.size());
    const std::string name = to_lower(rest.substr(1, end - 1));
    const auto* row = std::ranges::lower_bound(kOptions, name, {}, &OptionRow::name);
    if (row == kOptions.end() || row->name != name)
      return Error(Errc::config, "openssl_options: \"" + name + "\" is not known");
    if (sign == '+') {
      out.set |= row->bits;
      out.cleared &= ~row->bits;
    } else {
      out.cleared |= row->bits;
      out.set &= ~row->bits;
    }
    rest = trim(rest.substr(end));
  }
  return out;
}

bool is_directory(const std::string& path) {
  struct stat seen {};
  return ::stat(path.c_str(), &seen) == 0 && S_ISDIR(seen.st_mode);
}

Error file_error(const std::string& what, const std::string& path) {
  return Error(Errc::config, what + " file=" + path + ": " + take_library_error("cannot be used"));
}

}  // namespace

std::string problem_with_options(const std::string& options) {
  const Result<OptionBits> parsed = parse_options(options);
  return parsed ? std::string() : parsed.error().detail();
}

std::string alpn_wire(std::string_view list) {
  std::string out;
  for (const std::string& name : config::split_list(list)) {
    if (name.empty() || name.size() > 255) continue;
    out += static_cast<char>(name.size());
    out += name;
  }
  return out;
}

Result<std::string> read_whole_file(const std::string& path, size_t bytes_max) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return error_from_errno(errno, path);
  std::string out;
  std::array<char, 16384> page;
  ssize_t got = 0;
  while ((got = ::read(file, page.data(), page.size())) > 0 && out.size() <= bytes_max)
    out.append(page.data(), static_cast<size_t>(got));
  const int failure = got < 0 ? errno : 0;
  ::close(file);
  if (failure != 0) return error_from_errno(failure, path);
  if (out.size() > bytes_max) return Error(Errc::too_long, path);
  return out;
}

FileStamp FileStamp::of(const std::string& path) {
  FileStamp out;
  out.path = path;
  struct stat seen {};
  if (::stat(path.c_str(), &seen) != 0) return out;
  out.modified_nanos = seen.st_mtim.tv_sec * 1'000'000'000LL + seen.st_mtim.tv_nsec;
  out.inode = seen.st_ino;
  out.bytes = static_cast<uint64_t>(seen.st_size);
  return out;
}

Context::~Context() {
  SSL_CTX_free(native_);
}

bool Context::is_stale() const {
  return std::any_of(files_.begin(), files_.end(),
                     [](const FileStamp& stamp) { return !(FileStamp::of(stamp.path) == stamp); });
}

Result<void> ContextLoader::begin(const SSL_METHOD* method, const std::string& options) {
  ERR_clear_error();
  const Result<OptionBits> parsed = parse_options(options);
  if (!parsed) return parsed.error();
  context_.native_ = SSL_CTX_new(method);
  if (native() == nullptr) return Error(Errc::internal, take_library_error("SSL_CTX_new"));
  SSL_CTX_set_options(native(), parsed->set | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_clear_options(native(), parsed->cleared);
  SSL_CTX_set_min_proto_version(native(), TLS1_2_VERSION);  // RFC 8996
  SSL_CTX_set_mode(native(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(native(), &EngineCallbacks::no_passphrase);
  return {};
}

// Names of TLS 1.3 begin with TLS_ and are set apart from the others.
Result<void> ContextLoader::set_ciphers(std::string_view list) {
  std::string suites;
  std::string ciphers;
  while (!list.empty()) {
    const size_t end = std::min(list.find(':'), list.size());
    const std::string_view item = trim(list.substr(0, end));
    std::string& out = item.starts_with("TLS_") ? suites : ciphers;
    if (!item.empty()) out += (out.empty() ? "" : ":") + std::string(item);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  if (!suites.empty() && SSL_CTX_set_ciphersuites(native(), suites.c_str()) != 1)
    return Error(Errc::config, "tls_require_ciphers: " + take_library_error(suites));
  if (!ciphers.empty() && SSL_CTX_set_cipher_list(native(), ciphers.c_str()) != 1)
    return Error(Errc::config, "tls_require_ciphers: " + take_library_error(ciphers));
  return {};
}

Result<void> ContextLoader::add_certificate(const std::string& certificate,
                                            const std::string& key) {
  note_file(certificate);
  if (SSL_CTX_use_certificate_chain_file(native(), certificate.c_str()) != 1)
    return file_error("(SSL_CTX_use_certificate_chain_file)", certificate);
  if (key != certificate) note_file(key);
  if (SSL_CTX_use_PrivateKey_file(native(), key.c_str(), SSL_FILETYPE_PEM) != 1)
    return file_error("(SSL_CTX_use_PrivateKey_file)", key);
  if (SSL_CTX_check_private_key(native()) != 1)
    return file_error("(SSL_CTX_check_private_key)", key);
  return {};
}

Result<bool> ContextLoader::set_authorities(const std::string& source, const std::string& crl) {
  if (source.empty()) return false;
  if (source == "system" && ::access(kSystemAuthorities, R_OK) == 0) {
    note_file(kSystemAuthorities);
    if (SSL_CTX_load_verify_file(native(), kSystemAuthorities) != 1)
      return file_error("tls_verify_certificates", kSystemAuthorities);
  } else if (source == "system") {
    if (SSL_CTX_set_default_verify_paths(native()) != 1)
      return file_error("tls_verify_certificates", source);
  } else {
    note_file(source);
    const int loaded = is_directory(source) ? SSL_CTX_load_verify_dir(native(), source.c_str())
                                            : SSL_CTX_load_verify_file(native(), source.c_str());
    if (loaded != 1) return file_error("tls_verify_certificates", source);
  }
  if (crl.empty()) return true;
  note_file(crl);
  X509_STORE* store = SSL_CTX_get_cert_store(native());
  const int loaded = is_directory(crl) ? X509_STORE_load_path(store, crl.c_str())
                                       : X509_STORE_load_file(store, crl.c_str());
  if (loaded != 1) return file_error("tls_crl", crl);
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return true;
}

}  // namespace godwit::tls
