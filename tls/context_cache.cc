#include "tls/context_cache.h"

#include <algorithm>
#include <utility>

namespace godwit::tls {

std::shared_ptr<const Context> ContextCache::known(const std::string& key) const {
  const auto entry = entries_.find(key);
  return entry == entries_.end() ? nullptr : entry->second.context;
}

std::shared_ptr<const Context> ContextCache::fresh(const std::string& key) {
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return nullptr;
  entry->second.used = ++uses_;
  const Millis age = loop_.clock().now() - entry->second.checked;
  return age < kFileCheckInterval ? entry->second.context : nullptr;
}

ContextCache::Loaded ContextCache::keep(const std::string& key,
                                        const std::shared_ptr<const Context>& old, Loaded loaded) {
  if (!loaded && old == nullptr) return loaded;
  if (!entries_.contains(key)) make_room();
  Entry& entry = entries_[key];
  const std::string problem = loaded ? std::string() : loaded.error().detail();
  if (!problem.empty() && problem != entry.problem)
    log_.panic(LogEvent::configuration, "", problem + "; what was read before is kept");
  const bool is_new = loaded && *loaded != nullptr;
  entry.context = is_new ? *loaded : old;
  entry.checked = loop_.clock().now();
  entry.used = ++uses_;
  entry.problem = problem;
  if (!is_new) return entry.context;
  for (const std::string& text : entry.context->problems())
    log_.panic(LogEvent::configuration, "", text);
  return entry.context;
}

void ContextCache::make_room() {
  if (entries_.size() < kContextsKept || entries_.empty()) return;
  const auto oldest =
      std::min_element(entries_.begin(), entries_.end(),
                       [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
  entries_.erase(oldest);
}

Task<Result<std::shared_ptr<const ServerContext>>> ContextCache::server(ServerSettings settings) {
  const std::string key = settings.cache_key();
  std::shared_ptr<const Context> context = fresh(key);
  if (context == nullptr) {
    const std::shared_ptr<const Context> old = known(key);
    const WallTime now = loop_.clock().wall();
    auto job = blocking(loop_, [&settings, old, now, tickets = tickets_]() -> Loaded {
      if (old != nullptr && !old->is_stale()) return std::shared_ptr<const Context>();
      Result<std::shared_ptr<const ServerContext>> made =
          ServerContext::load(settings, tickets, now);
      if (!made) return made.error();
      return std::shared_ptr<const Context>(std::move(*made));
    });
    Loaded loaded = co_await job;
    const Loaded kept = keep(key, old, std::move(loaded));
    if (!kept) co_return kept.error();
    context = *kept;
  }
  co_return std::static_pointer_cast<const ServerContext>(context);
}

Task<Result<std::shared_ptr<const ClientContext>>> ContextCache::client(ClientSettings settings) {
  const std::string key = settings.cache_key();
  std::shared_ptr<const Context> context = fresh(key);
  if (context == nullptr) {
    const std::shared_ptr<const Context> old = known(key);
    auto job = blocking(loop_, [&settings, old]() -> Loaded {
      if (old != nullptr && !old->is_stale()) return std::shared_ptr<const Context>();
      Result<std::shared_ptr<const ClientContext>> made = ClientContext::load(settings);
      if (!made) return made.error();
      return std::shared_ptr<const Context>(std::move(*made));
    });
    Loaded loaded = co_await job;
    const Loaded kept = keep(key, old, std::move(loaded));
    if (!kept) co_return kept.error();
    context = *kept;
  }
  co_return std::static_pointer_cast<const ClientContext>(context);
}

}  // namespace godwit::tls
