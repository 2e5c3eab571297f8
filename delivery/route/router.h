// Routers: what turns an address into a transport and hosts. A Router is the generic part, compiled
// from its options; its RouterDriver is one of the rows of driver_table.cc. A RouterChain is all of
// them in order. Immutable after load; shared by the configuration snapshot.
#pragma once

#include "acl/expand/expansion.h"
#include "acl/lists/lists.h"
#include "core/config/document.h"
#include "delivery/rewrite/rewrite.h"
#include "delivery/route/host_finder.h"
#include "delivery/route/host_list.h"
#include "delivery/route/router_options.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace godwit::delivery {

class Router;

// What routers have set for an address; what is generated from it inherits it.
struct AddressProperties {
  std::string address_data;
  std::string errors_to;                    // where reports go; empty: the sender
  std::vector<std::string> headers_add;     // of every router on the way; field lines
  std::vector<std::string> headers_remove;  // lists of names
  acl::AclVariables variables;              // $r_...
  std::string domain_data;                  // what the lists of the last router left
  std::string local_part_data;
  bool is_hidden = false;  // hide_child_in_errmsg of a router on the way
};

// The address that another one was generated from, and the router that did it; a list up to the
// recipient of the envelope. Routers are not run twice on one line of descent.
struct RouteAncestor {
  std::string local_part;
  std::string domain;
  const Router* router = nullptr;
  const RouteAncestor* parent = nullptr;
};

// What an address is routed for; routers may be left out of some.
enum class RoutePurpose : uint8_t { deliver, test, verify_recipient, verify_sender, expn };

// What a chain is asked. Facts outlive the call.
struct RouteQuery {
  std::string local_part;
  std::string domain;  // lower case
  std::string sender;
  const acl::Services* services = nullptr;
  const acl::ServerFacts* server = nullptr;
  const acl::ConnectionFacts* connection = nullptr;
  const acl::MessageFacts* message = nullptr;
  acl::AclVariables* message_variables = nullptr;
  acl::AclVariables* connection_variables = nullptr;
  acl::Trace* trace = nullptr;
  WallTime now;
  RoutePurpose purpose = RoutePurpose::deliver;
  const RouteAncestor* parent = nullptr;
  int start_router = 0;  // redirect_router, or where the copy of an unseen address goes on
  AddressProperties properties;

  bool is_verifying() const noexcept {
    return purpose == RoutePurpose::verify_recipient || purpose == RoutePurpose::verify_sender;
  }
};

enum class GeneratedKind : uint8_t { address, pipe, file, directory };

// What a redirection made out of an address.
struct GeneratedAddress {
  GeneratedKind kind = GeneratedKind::address;
  std::string text;  // the address, "|command" or "/path"
  std::string local_part;
  std::string domain;
  int transport = -1;   // of pipes and files
  bool allowed = true;  // false: a pipe or a file where the router forbids it
  std::string problem;  // why a pipe or a file has no transport
};

// Wrong items of a redirection that were left out: for the log, and for whoever is told.
struct RouterNotice {
  std::vector<std::string> log_lines;
  std::string to;    // empty: nobody is told
  std::string body;  // of the message, with line feeds
};

enum class RouteStatus : uint8_t {
  routed,
  redirected,  // `children` take its place
  discarded,   // :blackhole:
  failed,
  deferred,
  frozen
};

struct RouteResult {
  RouteStatus status = RouteStatus::failed;
  const Router* router = nullptr;  // null where no router took the address
  int transport = -1;              // index into the transports of the snapshot; -1: verify_only
  SharedHostList hosts;            // null, or one name without addresses, for local transports
  std::string local_part;          // after prefix and suffix were taken off
  std::string domain;
  std::string prefix;
  std::string suffix;
  AddressProperties properties;
  std::vector<GeneratedAddress> children;
  int children_start = 0;  // the router that children begin with
  bool one_time = false;   // children replace the recipient in the envelope
  // The only child is the address under another domain (widening, self = reroute).
  bool is_rerouted = false;
  bool rewrites_headers = false;  // header lines get the domain of that child in place of ours
  // unseen: what is above happens, and a copy of the address goes on with this router.
  int copy_starts = -1;
  std::string home;  // of local deliveries; $home
  std::string current_directory;
  std::optional<uint32_t> user;  // of local deliveries
  std::optional<uint32_t> group;
  bool initgroups = false;
  std::string self_hostname;
  std::vector<RouterNotice> notices;  // of every router that ran
  std::string message;                // why it failed or must wait; for the log and the report
  // :fail: and :defer: say it to the client of a verification.
  bool message_is_for_user = false;
};

// One address on its way through a router.
struct RouteContext {
  const RouteQuery& query;
  acl::EvalContext& evaluation;
  acl::AddressFacts& address;
  HostFinder& hosts;
  const std::map<std::string, int, std::less<>>& transports;
};

enum class DriverStatus : uint8_t {
  routed,
  redirected,
  discard,
  decline,
  pass,
  fail,
  defer,
  freeze,
  reroute
};

struct DriverResult {
  DriverStatus status = DriverStatus::decline;
  SharedHostList hosts;
  int transport = -1;  // a route rule may name one of its own
  std::string message;
  std::string new_domain;         // reroute: the address starts again with it
  bool rewrites_headers = false;  // reroute: header lines get the new domain too
  std::string self_hostname;
  std::vector<GeneratedAddress> children;
  bool one_time = false;
  bool hides_children = false;
  std::optional<RouterNotice> notice;
  bool message_is_for_user = false;
};

class RouterDriver {
 public:
  virtual ~RouterDriver() = default;
  // May wait on the current fiber (core/io/fiber.h).
  virtual DriverResult route(const Router& router, RouteContext& context) const = 0;
  // True where an address of this router needs a transport.
  virtual bool needs_transport() const noexcept { return true; }
  // same_domain_copy_routing: one address of a domain answers for all of a message.
  virtual bool copies_same_domain() const noexcept { return false; }
  // False: a router that generated an address is skipped for all that comes of it.
  virtual bool may_repeat() const noexcept { return true; }
};

// How a chain names transports while it is compiled.
class TransportNames {
 public:
  virtual ~TransportNames() = default;
  virtual int find(std::string_view name) const = 0;  // -1: none
  virtual bool is_local(int index) const = 0;
  virtual std::vector<std::string_view> all() const = 0;
};

struct RouterCompileContext {
  const acl::NamedLists& lists;
  const TransportNames& transports;
  config::Diagnostics& diagnostics;
  std::shared_ptr<const rewrite::RewriteRules> rewrite = nullptr;
};

enum class SelfAction : uint8_t { freeze, defer, fail, send, pass, reroute };

class Router {
 public:
  const std::string& name() const noexcept { return name_; }
  const RouterOptions& options() const noexcept { return options_; }
  int transport_index() const noexcept { return transport_index_; }  // -1: none, or expanded
  SelfAction self() const noexcept { return self_; }
  const std::string& self_domain() const noexcept { return self_domain_; }  // of reroute
  bool self_rewrites() const noexcept { return self_rewrites_; }            // reroute: rewrite:
  // What dnssec_request_domains and dnssec_require_domains say about `domain`.
  bool requests_dnssec(std::string_view domain, acl::EvalContext& context) const;
  bool requires_dnssec(std::string_view domain, acl::EvalContext& context) const;
  bool copies_same_domain() const noexcept { return driver_->copies_same_domain(); }
  const acl::ListPattern* ignore_target_hosts() const noexcept {
    return ignore_target_hosts_.get();
  }

 private:
  friend class RouterChain;
  friend struct RouterCompiler;
  friend class RouteRun;

  std::string name_;
  RouterOptions options_;
  std::shared_ptr<const acl::ListPattern> domains_;
  std::shared_ptr<const acl::ListPattern> local_parts_;
  std::shared_ptr<const acl::ListPattern> senders_;
  std::shared_ptr<const acl::ListPattern> ignore_target_hosts_;
  std::shared_ptr<const acl::ListPattern> dnssec_request_;
  std::shared_ptr<const acl::ListPattern> dnssec_require_;
  std::vector<acl::Expansion> conditions_;
  std::vector<acl::Expansion> headers_add_;
  std::vector<acl::Expansion> headers_remove_;
  struct Variable {
    std::string name;  // r_...
    acl::Expansion value;
  };
  std::vector<Variable> variables_;
  acl::Expansion debug_print_;
  acl::Expansion more_;
  acl::Expansion unseen_;
  acl::Expansion require_files_;
  acl::Expansion router_home_;
  acl::Expansion transport_home_;
  acl::Expansion transport_directory_;
  acl::Expansion user_;
  acl::Expansion group_;
  acl::Expansion address_data_;
  acl::Expansion errors_to_;
  acl::Expansion cannot_route_message_;
  acl::Expansion translate_ip_address_;
  acl::Expansion transport_;
  int transport_index_ = -1;  // where `transport` is a constant
  int pass_router_ = -1;
  int redirect_router_ = 0;
  SelfAction self_ = SelfAction::freeze;
  std::string self_domain_;
  bool self_rewrites_ = false;
  std::unique_ptr<RouterDriver> driver_;
};

class RouterChain {
 public:
  static std::shared_ptr<const RouterChain> compile(const config::ConfigDocument& document,
                                                    const RouterCompileContext& context);
  // May wait on the current fiber; without one, what would have to wait defers the address.
  RouteResult route(const RouteQuery& query, HostFinder& hosts) const;
  std::span<const std::unique_ptr<Router>> routers() const noexcept { return routers_; }

 private:
  RouteResult walk(const RouteQuery& query, HostFinder& hosts,
                   std::vector<RouterNotice>& notices) const;
  std::string describe(const RouteResult& result) const;
  void finish(class RouteRun& run, const Router& router, size_t at, const RouteQuery& query,
              DriverResult driven) const;

  std::vector<std::unique_ptr<Router>> routers_;
  std::map<std::string, int, std::less<>> transports_;  // for `transport` options that are expanded
};

// --- Drivers -------------------------------------------------------------------------------------

struct RouterDriverRow {
  std::string_view name;
  // Reads the driver's own options next to the generic ones; null where they are wrong. A null
  // function is a driver that the language knows and this program does not have yet.
  std::unique_ptr<RouterDriver> (*make)(const config::Instance& instance,
                                        config::OptionBinding& generic,
                                        const RouterCompileContext& context);
  std::string_view doc;
  // The driver's own options with their defaults; a null function: it has none.
  std::unique_ptr<config::OptionBinding> (*options)() = nullptr;
};
std::span<const RouterDriverRow> router_driver_rows() noexcept;

}  // namespace godwit::delivery
