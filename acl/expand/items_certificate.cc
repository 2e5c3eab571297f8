// ${certextract{field}{$tls_in_peercert}{yes}{no}}: a field of a certificate in PEM.
#include "acl/expand/arguments.h"
#include "acl/expand/digest.h"
#include "acl/expand/items.h"
#include "acl/expand/list_text.h"
#include "core/base/ascii.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace godwit::acl {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* pointer) const noexcept {
    Free(pointer);
  }
};
using BioPointer = std::unique_ptr<BIO, Freed<BIO_free_all>>;
void free_names(GENERAL_NAMES* names) {
  GENERAL_NAMES_free(names);
}
void free_strings(STACK_OF(OPENSSL_STRING) * strings) {
  X509_email_free(strings);
}
using NamesPointer = std::unique_ptr<GENERAL_NAMES, Freed<free_names>>;
using StringsPointer = std::unique_ptr<STACK_OF(OPENSSL_STRING), Freed<free_strings>>;
using PointsPointer = std::unique_ptr<CRL_DIST_POINTS, Freed<CRL_DIST_POINTS_free>>;
using CertificatePointer = std::unique_ptr<X509, Freed<X509_free>>;

BioPointer memory() {
  return BioPointer(BIO_new(BIO_s_mem()));
}

std::string text_of(const BioPointer& bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}

std::string bytes_of(const ASN1_STRING* string) {
  const unsigned char* bytes = ASN1_STRING_get0_data(string);
  return {reinterpret_cast<const char*>(bytes), static_cast<size_t>(ASN1_STRING_length(string))};
}

// What stands before and after the commas of the first argument: a field, and how it is wanted.
struct Selection {
  std::string_view field;
  std::string_view type;   // "CN" of a name, "dns" of subj_altname; empty: all
  char separator = '\n';   // of a list; ">:"
  bool as_number = false;  // "int": seconds since 1970
};

Selection parse_selection(std::string_view text) {
  Selection out;
  size_t comma = text.find(',');
  out.field = trim(text.substr(0, comma));
  while (comma != std::string_view::npos) {
    text = trim(text.substr(comma + 1));
    // The separator may be a comma itself.
    comma = text.find(',', text.starts_with('>') ? 2 : 0);
    const std::string_view modifier = text.substr(0, comma);
    if (modifier.starts_with('>') && modifier.size() > 1) {
      out.separator = modifier[1];
    } else if (trim(modifier) == "int") {
      out.as_number = true;
    } else {
      out.type = trim(modifier);
    }
  }
  return out;
}

// A list that is being made.
class ListText {
 public:
  explicit ListText(char separator) : writer_(text, separator) {}
  void add(std::string_view item) { writer_.add(item); }
  std::string text;

 private:
  ListWriter writer_;
};

// The elements of one type.
std::string name_elements(const X509_NAME* name, const Selection& selection) {
  ListText out(selection.separator);
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const int id = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (id == NID_undef || selection.type != OBJ_nid2sn(id)) continue;
    unsigned char* bytes = nullptr;
    const int size = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(entry));
    if (size >= 0) out.add({reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)});
    OPENSSL_free(bytes);
  }
  return std::move(out.text);
}

std::string name_text(const X509_NAME* name, const Selection& selection) {
  if (!selection.type.empty()) return name_elements(name, selection);
  const BioPointer bio = memory();
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  return text_of(bio);
}

std::string time_text(const ASN1_TIME* time, const Selection& selection) {
  std::tm parts{};
  if (selection.as_number)
    return ASN1_TIME_to_tm(time, &parts) == 1 ? std::to_string(timegm(&parts)) : std::string();
  const BioPointer bio = memory();
  ASN1_TIME_print(bio.get(), time);
  return text_of(bio);
}

std::string version(const X509* certificate, const Selection&) {
  return std::to_string(X509_get_version(certificate) + 1);
}
std::string serial_number(const X509* certificate, const Selection&) {
  std::string out;
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
  char* hex = number == nullptr ? nullptr : BN_bn2hex(number);
  if (hex != nullptr) out = hex;
  OPENSSL_free(hex);
  BN_free(number);
  return out;
}
std::string subject(const X509* certificate, const Selection& selection) {
  return name_text(X509_get_subject_name(certificate), selection);
}
std::string issuer(const X509* certificate, const Selection& selection) {
  return name_text(X509_get_issuer_name(certificate), selection);
}
std::string not_before(const X509* certificate, const Selection& selection) {
  return time_text(X509_get0_notBefore(certificate), selection);
}
std::string not_after(const X509* certificate, const Selection& selection) {
  return time_text(X509_get0_notAfter(certificate), selection);
}
std::string signature_algorithm(const X509* certificate, const Selection&) {
  const BioPointer bio = memory();
  const X509_ALGOR* algorithm = X509_get0_tbs_sigalg(certificate);
  i2a_ASN1_OBJECT(bio.get(), algorithm->algorithm);
  return text_of(bio);
}
template <const EVP_MD* (*Digest)()>
std::string fingerprint(const X509* certificate, const Selection&) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned length = 0;
  X509_digest(certificate, Digest(), bytes.data(), &length);
  std::string out;
  append_hex({reinterpret_cast<const char*>(bytes.data()), length}, true, out);
  return out;
}

// "4d 1f ...".
std::string signature(const X509* certificate, const Selection&) {
  const ASN1_BIT_STRING* bits = nullptr;
  X509_get0_signature(&bits, nullptr, certificate);
  std::string out;
  for (const char byte : bytes_of(bits)) {
    if (!out.empty()) out += ' ';
    append_hex({&byte, 1}, false, out);
  }
  return out;
}

std::string alternative_names(const X509* certificate, const Selection& selection) {
  struct Tag {
    int type;
    std::string_view modifier;
    std::string_view tag;
  };
  static constexpr std::array<Tag, 3> kTags{
      {{GEN_DNS, "dns", "DNS="}, {GEN_URI, "uri", "URI="}, {GEN_EMAIL, "mail", "MAIL="}}};
  const NamesPointer names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  ListText out(selection.separator);
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    for (const Tag& row : kTags) {
      if (row.type != type || (!selection.type.empty() && selection.type != row.modifier)) continue;
      const std::string text = bytes_of(static_cast<const ASN1_STRING*>(value));
      out.add(selection.type.empty() ? std::string(row.tag) + text : text);
    }
  }
  return std::move(out.text);
}

std::string ocsp_uris(const X509* certificate, const Selection& selection) {
  // OpenSSL only reads it.
  const StringsPointer uris(X509_get1_ocsp(const_cast<X509*>(certificate)));
  ListText out(selection.separator);
  for (int i = 0; uris && i < sk_OPENSSL_STRING_num(uris.get()); ++i)
    out.add(sk_OPENSSL_STRING_value(uris.get(), i));
  return std::move(out.text);
}

std::string crl_uris(const X509* certificate, const Selection& selection) {
  const PointsPointer points(static_cast<CRL_DIST_POINTS*>(
      X509_get_ext_d2i(certificate, NID_crl_distribution_points, nullptr, nullptr)));
  ListText out(selection.separator);
  for (int i = 0; points && i < sk_DIST_POINT_num(points.get()); ++i) {
    const DIST_POINT_NAME* where = sk_DIST_POINT_value(points.get(), i)->distpoint;
    if (where == nullptr || where->type != 0) continue;
    const GENERAL_NAMES* names = where->name.fullname;
    for (int n = 0; n < sk_GENERAL_NAME_num(names); ++n) {
      int type = 0;
      const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, n), &type);
      if (type == GEN_URI) out.add(bytes_of(static_cast<const ASN1_STRING*>(value)));
    }
  }
  return std::move(out.text);
}

struct FieldRow {
  std::string_view name;
  std::string (*read)(const X509* certificate, const Selection& selection);
};
constexpr std::array<FieldRow, 14> kFields{{
    {"version", version},
    {"serial_number", serial_number},
    {"subject", subject},
    {"issuer", issuer},
    {"notbefore", not_before},
    {"notafter", not_after},
    {"sig_algorithm", signature_algorithm},
    {"signature", signature},
    {"subj_altname", alternative_names},
    {"ocsp_uri", ocsp_uris},
    {"crl_uri", crl_uris},
    {"md5", fingerprint<EVP_md5>},
    {"sha1", fingerprint<EVP_sha1>},
    {"sha256", fingerprint<EVP_sha256>},
}};

}  // namespace

EvalStatus run_certextract(const Node& node, EvalContext& context, std::string& out) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.parts, context, args);
  if (status != EvalStatus::ok) return status;
  const std::string& pem = args[1].text;
  if (pem.empty()) return finish_tail(node, context, false, {}, false, out);
  const BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const CertificatePointer certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return fail(context, "certextract needs a certificate");
  const Selection selection = parse_selection(args[0].text);
  for (const FieldRow& row : kFields) {
    if (row.name != selection.field) continue;
    const std::string value = row.read(certificate.get(), selection);
    return finish_tail(node, context, !value.empty(), value, args[1].tainted, out);
  }
  return fail(context, "bad field selector \"" + args[0].text + "\" for certextract");
}

}  // namespace godwit::acl
