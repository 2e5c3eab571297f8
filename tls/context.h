// ServerContext and ClientContext: certificates, keys, authorities and rules, loaded once and
// shared by the sessions of one configuration. Immutable; a session holds a reference for its life.
// Loading blocks on files: contexts come from a ContextCache (context_cache.h), which loads on the
// thread pool, or from a program without a loop.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "tls/settings.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct ssl_ctx_st;
struct x509_st;

namespace godwit::tls {

class TicketKeys;

// By which a replaced file is noticed.
struct FileStamp {
  std::string path;
  int64_t modified_nanos = 0;
  uint64_t inode = 0;
  uint64_t bytes = 0;
  bool operator==(const FileStamp&) const = default;
  // Zeros for a file that is not there.
  static FileStamp of(const std::string& path);
};

class Context {
 public:
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  virtual ~Context();

  ssl_ctx_st* native() const noexcept { return native_; }
  // What it was read from, as it was then.
  const std::vector<FileStamp>& files() const noexcept { return files_; }
  bool is_stale() const;  // blocks: a file is another one now
  // What was left out while loading, and why; for the log.
  const std::vector<std::string>& problems() const noexcept { return problems_; }

 protected:
  friend class ContextLoader;
  Context() = default;
  ssl_ctx_st* native_ = nullptr;
  std::vector<FileStamp> files_;
  std::vector<std::string> problems_;
};

class ServerContext final : public Context {
 public:
  // `tickets` may be null: then no session is resumed. It outlives the context.
  static Result<std::shared_ptr<const ServerContext>> load(const ServerSettings& settings,
                                                           TicketKeys* tickets, WallTime now);
  ~ServerContext() override;

  // The proof (DER) to staple for one of the context's certificates; null where there is none that
  // is good at `now`.
  const std::string* staple_for(x509_st* certificate, WallTime now) const;
  TicketKeys* tickets() const noexcept { return tickets_; }

 private:
  friend class ServerLoader;
  struct Staple;
  ServerContext() = default;

  std::vector<std::unique_ptr<Staple>> staples_;
  std::string alpn_;  // accepted names in wire form
  TicketKeys* tickets_ = nullptr;
};

class ClientContext final : public Context {
 public:
  static Result<std::shared_ptr<const ClientContext>> load(const ClientSettings& settings);
  // True where authorities to verify by were given.
  bool can_verify() const noexcept { return can_verify_; }

 private:
  friend class ClientLoader;
  ClientContext() = default;

  bool can_verify_ = false;
};

// For checks of a configuration: what is wrong with a value of openssl_options; empty for nothing.
std::string problem_with_options(const std::string& options);

}  // namespace godwit::tls
