// Callouts: asks the hosts of an address whether they would take it, and keeps what they said as
// hints that all workers share. EXIM.md 2.5. One a loop; plain functions that wait on the current
// fiber; close() ends what is under way.
#pragma once

#include "acl/expand/services.h"
#include "core/hints/database.h"
#include "core/io/loop.h"
#include "core/io/uv_stream.h"
#include "daemon/server_config.h"
#include "delivery/route/host_list.h"
#include "delivery/transport/smtp_transport.h"

#include <memory>
#include <set>
#include <string>

namespace godwit::daemon {

inline constexpr size_t kCalloutHostsMax = 10;  // addresses that one callout tries

struct CalloutQuestion {
  std::string address;
  bool is_sender = false;
  acl::CalloutOptions options;
  const delivery::HostList& hosts;
  const delivery::SmtpTransport& transport;
};

// When the answer in a record of the cache was given; nothing for bytes that are no record.
std::optional<WallTime> callout_asked_at(std::string_view record);

class Callouts {
 public:
  Callouts(Loop& loop, std::shared_ptr<const ServerConfig> config)
      : loop_(loop),
        config_(std::move(config)),
        cache_(std::make_unique<hints::MemoryDatabase>()) {}
  Callouts(const Callouts&) = delete;
  Callouts& operator=(const Callouts&) = delete;

  // Where answers are kept from now on.
  void keep_in(std::unique_ptr<hints::Database> cache) { cache_ = std::move(cache); }
  hints::Database& cache() noexcept { return *cache_; }
  acl::AddressVerifier::Answer ask(const CalloutQuestion& question, acl::EvalContext& context);
  // -bh: nobody is called, and every answer is yes.
  void omit() noexcept { omitted_ = true; }
  void close() noexcept;

 private:
  friend class CalloutRun;

  Loop& loop_;
  std::shared_ptr<const ServerConfig> config_;
  std::unique_ptr<hints::Database> cache_;
  std::set<UvStream*> streams_;
  bool closed_ = false;
  bool omitted_ = false;
};

}  // namespace godwit::daemon
