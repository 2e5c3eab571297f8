// crypteq: a password against its hash.
#include "acl/expand/arguments.h"
#include "acl/expand/conditions.h"
#include "acl/expand/digest.h"
#include "acl/expand/outside.h"
#include "core/base/ascii.h"

#include <crypt.h>

#include <array>
#include <cstring>
#include <memory>

namespace godwit::acl {
namespace {

// As bytes in base 64 or in hexadecimal.
bool fits_digest(const char* algorithm, std::string_view password, std::string_view hash) {
  const DigestBytes made = digest(algorithm, password);
  const std::string_view bytes = made.view();
  std::string encoded;
  if (hash.size() == bytes.size() * 2) {
    append_hex(bytes, false, encoded);
    return equals_ignore_case(encoded, hash);
  }
  append_base64(bytes, encoded);
  return encoded == hash;
}

std::string crypted(const std::string& password, const std::string& salt) {
  const auto data = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), salt.c_str(), data.get());
  return made == nullptr ? std::string() : std::string(made);
}

// The second eight characters are hashed with a salt from the first hash.
std::string crypted16(const std::string& password, const std::string& salt) {
  std::string made = crypted(password, salt.substr(0, 2)).substr(0, 13);
  if (made.size() < 2 || password.size() <= 8) return made;
  const std::string second = crypted(password.substr(8), made.substr(0, 2));
  if (second.size() > 2) made += second.substr(2);
  return made;
}

enum class Scheme : uint8_t { crypt, crypt16, md5, sha1 };
struct SchemeRow {
  std::string_view mark;
  Scheme scheme;
};
constexpr std::array<SchemeRow, 4> kSchemes{{
    {"{crypt}", Scheme::crypt},
    {"{crypt16}", Scheme::crypt16},
    {"{md5}", Scheme::md5},
    {"{sha1}", Scheme::sha1},
}};

bool fits_crypt(Scheme scheme, const std::string& password, const std::string& hash) {
  const std::string made =
      scheme == Scheme::crypt16 ? crypted16(password, hash) : crypted(password, hash);
  return !made.empty() && made.front() != '*' && made == hash;
}

}  // namespace

EvalStatus run_crypteq(const ConditionNode& node, EvalContext& context, bool& answer) {
  std::vector<Value> args;
  const EvalStatus status = read_values(node.args, context, args);
  if (status != EvalStatus::ok) return status;
  const std::string& password = args[0].text;
  std::string hash = args[1].text;
  Scheme scheme = Scheme::crypt;
  if (hash.starts_with('{')) {
    const SchemeRow* found = nullptr;
    for (const SchemeRow& row : kSchemes) {
      if (starts_with_ignore_case(hash, row.mark)) found = &row;
    }
    if (found == nullptr) return fail(context, "unknown encryption mechanism in \"" + hash + "\"");
    scheme = found->scheme;
    hash.erase(0, found->mark.size());
  }
  if (scheme == Scheme::md5 || scheme == Scheme::sha1) {
    answer = fits_digest(scheme == Scheme::md5 ? "MD5" : "SHA1", password, hash);
    return EvalStatus::ok;
  }
  if (hash.size() < 2) {
    answer = false;
    return EvalStatus::ok;
  }
  // It is meant to be slow: it goes to the pool where there is one.
  Loop* loop = context.services == nullptr ? nullptr : context.services->loop;
  answer = loop != nullptr && Fiber::is_current()
               ? on_pool(*loop, [&] { return fits_crypt(scheme, password, hash); })
               : fits_crypt(scheme, password, hash);
  return EvalStatus::ok;
}

}  // namespace godwit::acl
