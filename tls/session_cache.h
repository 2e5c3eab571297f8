// SessionCache: sessions of the client side, to be resumed by a later connection to the same host
// under the same name and rules. Bounded; the least recently used go first. One a worker.
#pragma once

#include "tls/limits.h"

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

struct ssl_session_st;

namespace godwit::tls {

class SessionCache {
 public:
  explicit SessionCache(size_t kept = kClientSessionsKept) : kept_(kept) {}
  SessionCache(const SessionCache&) = delete;
  SessionCache& operator=(const SessionCache&) = delete;
  ~SessionCache();

  // Takes over the caller's reference.
  void put(const std::string& key, ssl_session_st* session);
  // The newest session for `key`, removed from here (RFC 8446 C.4: a ticket is used once); null for
  // none. The caller gets a reference.
  ssl_session_st* take(const std::string& key);
  size_t size() const noexcept { return order_.size(); }

 private:
  struct Entry {
    std::string key;
    ssl_session_st* session;
  };
  void drop(std::list<Entry>::iterator entry);

  size_t kept_;
  std::list<Entry> order_;  // most recent first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;
};

}  // namespace godwit::tls
