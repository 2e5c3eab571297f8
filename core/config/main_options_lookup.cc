// Databases that lookups ask.
#include "core/config/main_option_rows.h"

#include <array>

namespace godwit::config {
namespace {

using enum Effect;
using M = MainOptions;

// name, field, default, effect, documentation, choices
constexpr auto kRows = std::to_array<OptionRow<M>>({
    {"ldap_ca_cert_dir", &M::ldap_ca_cert_dir, "", later, "directory of certificates for LDAP"},
    {"ldap_ca_cert_file", &M::ldap_ca_cert_file, "", later, "certificates for LDAP"},
    {"ldap_cert_file", &M::ldap_cert_file, "", later, "certificate shown to LDAP"},
    {"ldap_cert_key", &M::ldap_cert_key, "", later, "key of that certificate"},
    {"ldap_cipher_suite", &M::ldap_cipher_suite, "", later, "ciphers for LDAP"},
    {"ldap_default_servers", &M::ldap_default_servers, "", later, "LDAP servers"},
    {"ldap_require_cert", &M::ldap_require_cert, "", later, "what an LDAP certificate must be"},
    {"ldap_start_tls", &M::ldap_start_tls, "false", later, "use STARTTLS with LDAP"},
    {"ldap_version", &M::ldap_version, "-1", later, "version of LDAP; -1: the library's"},
    {"mysql_servers", &M::mysql_servers, "", now, "MySQL servers"},
    {"oracle_servers", &M::oracle_servers, "", never, "Oracle servers"},
    {"pgsql_servers", &M::pgsql_servers, "", now, "PostgreSQL servers"},
    {"ratelimit_store", &M::ratelimit_store, "local", now,
     "where ACLs count rates: in the hints of this machine, or in redis_servers, which machines "
     "share",
     "local|redis"},
    {"redis_servers", &M::redis_servers, "", now, "Redis servers"},
    {"sqlite_dbfile", &M::sqlite_dbfile, "", now, "SQLite database"},
    {"sqlite_lock_timeout", &M::sqlite_lock_timeout, "5s", now,
     "time to wait for a locked SQLite database"},
});

}  // namespace

std::span<const OptionRow<MainOptions>> lookup_option_rows() noexcept {
  return kRows;
}

}  // namespace godwit::config
