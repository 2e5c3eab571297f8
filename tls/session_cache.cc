#include "tls/session_cache.h"

#include <openssl/ssl.h>

#include <utility>

namespace godwit::tls {

SessionCache::~SessionCache() {
  while (!order_.empty()) drop(order_.begin());
}

void SessionCache::drop(std::list<Entry>::iterator entry) {
  by_key_.erase(entry->key);
  if (entry->session != nullptr) SSL_SESSION_free(entry->session);
  order_.erase(entry);
}

void SessionCache::put(const std::string& key, ssl_session_st* session) {
  const auto known = by_key_.find(key);
  if (known != by_key_.end()) drop(known->second);
  order_.push_front({key, session});
  by_key_.emplace(order_.front().key, order_.begin());
  if (order_.size() > kept_) drop(std::prev(order_.end()));
}

ssl_session_st* SessionCache::take(const std::string& key) {
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return nullptr;
  ssl_session_st* session = std::exchange(known->second->session, nullptr);
  drop(known->second);
  return session;
}

}  // namespace godwit::tls
