#include "daemon/services.h"

#include <utility>

namespace godwit::daemon {
namespace {

acl::LookupSetOptions lookup_options(const config::MainOptions& options, dns::Resolver& resolver) {
  acl::LookupSetOptions out;
  out.redis_servers = options.redis_servers;
  out.pgsql_servers = options.pgsql_servers;
  out.mysql_servers = options.mysql_servers;
  out.sqlite_dbfile = options.sqlite_dbfile.text.text();
  out.sqlite_lock_timeout = Millis(options.sqlite_lock_timeout);
  out.csa_parents_max = static_cast<size_t>(std::max<int64_t>(options.dns_csa_search_limit, 0));
  out.lookup_open_max = static_cast<size_t>(std::max<int64_t>(options.lookup_open_max, 1));
  out.resolver = &resolver;
  return out;
}

}  // namespace

EvaluatorServices::EvaluatorServices(Loop& loop, std::shared_ptr<const ServerConfig> config)
    : config_(std::move(config)),
      names_(loop, *config_),
      lookups_(loop, lookup_options(config_->options(), names_.resolver())),
      verifier_(loop, config_, names_.hosts(), names_.dane()),
      rates_(std::make_unique<hints::MemoryDatabase>()),
      seen_(std::make_unique<hints::MemoryDatabase>()) {
  services_.loop = &loop;
  services_.lookups = &lookups_;
  services_.lists = config_->policy->lists().get();
  services_.acls = &config_->policy->acls();
  services_.rates = rates_.get();
  if (config_->options().rate_store() == config::RatelimitStore::redis) {
    shared_rates_ = std::make_unique<acl::RedisRates>(lookups_);
    services_.shared_rates = shared_rates_.get();
  }
  services_.seen = seen_.get();
  services_.verifier = &verifier_;
  services_.hosts_file = &names_.hosts().hosts_file();
  names_.provide(services_);
  verifier_.callouts().set_evaluators(services_);
}

void EvaluatorServices::open_hints(Log& log) {
  services_.log = &log;
  rates_ = daemon::open_hints(config_->spool_directory, "ratelimit", log);
  seen_ = daemon::open_hints(config_->spool_directory, "seen", log);
  services_.rates = rates_.get();
  services_.seen = seen_.get();
  verifier_.callouts().open(daemon::open_hints(config_->spool_directory, "callout", log), log);
  names_.log_slow(Millis{config_->options().slow_lookup_log}, *services_.loop, log);
  names_.telling().tell(config_->policy->events(), services_, config_->facts, *services_.loop, log);
}

Task<void> EvaluatorServices::close() {
  verifier_.callouts().close();
  co_await lookups_.close();
  co_await names_.close();
}

MessageServices::MessageServices(const acl::Services& services)
    : answers_(services.lookups), services_(services) {
  if (services.lookups != nullptr) services_.lookups = &answers_;
  services_.decisions = &decisions_;
  services_.sockets = &sockets_;
}

std::unique_ptr<hints::Database> open_hints(const std::string& spool_directory,
                                            std::string_view name, Log& log) {
  const std::string path = spool_directory + "/db/" + std::string(name) + ".mdb";
  Result<std::unique_ptr<hints::LmdbDatabase>> opened = hints::LmdbDatabase::open(path);
  if (opened) return std::move(*opened);
  log.main(LogEvent::spool, "", opened.error().to_string() + "; these hints are kept in memory");
  return std::make_unique<hints::MemoryDatabase>();
}

}  // namespace godwit::daemon
