// One address on its way through the routers: preconditions, the properties that routers set, and
// what is made of a driver's answer. Made and used by RouterChain::route() alone.
#pragma once

#include "delivery/route/local_user.h"
#include "delivery/route/router.h"

#include <map>
#include <optional>
#include <string>

namespace godwit::delivery {

class RouteRun {
 public:
  using TransportTable = std::map<std::string, int, std::less<>>;

  RouteRun(const RouteQuery& query, HostFinder& hosts, const RouterChain& chain,
           const TransportTable& transports);

  enum class Precondition : uint8_t { pass, skip, defer };

  // Whether `router` may have the address at all; its affixes are off the local part afterwards.
  Precondition preconditions(const Router& router);
  // `set` and `address_data`; skip where the router is to decline.
  Precondition set_properties(const Router& router);
  DriverResult drive(const Router& router);

  void finish_routed(const Router& router, DriverResult driven);
  void finish_redirected(const Router& router, DriverResult driven);
  // The address starts again under another domain.
  void finish_rerouted(const Router& router, const DriverResult& driven);
  void finish_unsuccessful(const Router* router, RouteStatus status, std::string message);
  // unseen; false where it cannot be told and the address must wait.
  bool wants_copy(const Router& router, bool& copy);
  // more
  bool goes_on(const Router& router);
  // What the operator wants to be said, else why the driver declined.
  std::string unrouteable(const Router& router, const std::string& why);
  void set_self_hostname(std::string name) { address_.self_hostname = std::move(name); }
  void trace_begin(const Router& router);
  // `why` empty: why a precondition was not met.
  void trace(const Router& router, std::string_view outcome, std::string_view why = {});

  RouteResult result;

 private:
  Precondition match(const acl::ListPattern* pattern, std::string_view text, std::string* data);
  bool has_run_before(const Router& router) const;
  bool is_for_purpose(const Router& router) const;
  bool strip_affixes(const Router& router);
  Precondition check_user(const Router& router);
  Precondition expand_home(const Router& router);
  void show_debug_print(const Router& router);
  Precondition check_files(const Router& router);
  Precondition check_conditions(const Router& router);
  Precondition fail_precondition(std::string message);
  Precondition because(Precondition found, std::string_view why);

  bool finish_properties(const Router& router);
  bool finish_headers(const Router& router);
  bool finish_errors_to(const Router& router);
  bool finish_user(const Router& router);
  bool finish_directories(const Router& router);
  // Nothing: a forced failure or an unset option. False: `result` is deferred.
  bool expand_option(const Router& router, const acl::Expansion& option, std::string_view name,
                     std::optional<std::string>& value);
  bool translate_addresses(const Router& router, SharedHostList& hosts);
  bool translate_host(const Router& router, RouteHost& host);
  bool resolve_transport(const Router& router, const DriverResult& driven);

  const RouteQuery& query_;
  HostFinder& hosts_;
  const RouterChain& chain_;
  const TransportTable& transports_;
  acl::AddressFacts address_;
  acl::EvalContext evaluation_;
  std::optional<LocalUser> user_;  // of check_local_user
  std::string_view why_;           // this router is skipped; for the trace
};

}  // namespace godwit::delivery
