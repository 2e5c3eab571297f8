#include "tls/tickets.h"

#include "core/base/assert.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace godwit::tls {
namespace {

// A clock that jumps far ahead makes a new chain of keys instead of a long computation.
constexpr int64_t kStepsMax = 24 * 366;

using Block = std::array<unsigned char, 32>;

Block derive(const Block& secret, std::string_view purpose) {
  Block out{};
  unsigned int size = 0;
  const void* made = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                          reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
                          out.data(), &size);
  GODWIT_ASSERT(made != nullptr && size == out.size());
  return out;
}

TicketKey key_of(const Block& secret) {
  TicketKey key;
  const Block name = derive(secret, "name");
  std::copy_n(name.begin(), key.name.size(), key.name.begin());
  key.cipher_key = derive(secret, "cipher");
  key.mac_key = derive(secret, "mac");
  return key;
}

}  // namespace

TicketSecret make_ticket_secret(WallTime now) {
  TicketSecret secret;
  const int made = RAND_bytes(secret.bytes.data(), static_cast<int>(secret.bytes.size()));
  GODWIT_ASSERT(made == 1);
  secret.since = now;
  return secret;
}

TicketKeys::TicketKeys(const TicketSecret& secret)
    : secret_(secret.bytes), since_(secret.since), current_(key_of(secret_)), previous_(current_) {}

TicketKeys::~TicketKeys() {
  OPENSSL_cleanse(secret_.data(), secret_.size());
}

void TicketKeys::advance(WallTime now) {
  for (int64_t steps = 0; now - since_ >= Millis(kTicketKeyLifetime); ++steps) {
    if (steps == kStepsMax) {
      since_ = now;
      break;
    }
    since_ = since_ + kTicketKeyLifetime;
    secret_ = derive(secret_, "next");
    previous_ = current_;
    current_ = key_of(secret_);
  }
}

const TicketKey& TicketKeys::current(WallTime now) {
  advance(now);
  return current_;
}

const TicketKey* TicketKeys::find(const unsigned char* name, WallTime now) {
  advance(now);
  const auto is = [&](const TicketKey& key) {
    return std::memcmp(name, key.name.data(), key.name.size()) == 0;
  };
  if (is(current_)) return &current_;
  return is(previous_) ? &previous_ : nullptr;
}

}  // namespace godwit::tls
