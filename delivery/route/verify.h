// Routing without delivery: verification (`verify = recipient`, `verify = sender`, -bv) and the
// test of addresses (-bt). Both walk through what redirection makes of an address. EXIM.md 4.1.
#pragma once

#include "delivery/route/router.h"

#include <cstddef>
#include <string>
#include <vector>

namespace godwit::delivery {

// An address on the way, and what the routers said of it.
struct RoutedAddress {
  static constexpr size_t kNoParent = SIZE_MAX;
  std::string address;  // "|command" or a path as well
  std::string local_part;
  std::string domain;
  size_t parent = kNoParent;
  int start_router = 0;
  AddressProperties inherited;
  GeneratedAddress generated;  // of pipes and files, which no router sees
  RouteResult result;
};

struct RoutedTree {
  std::vector<RoutedAddress> addresses;  // the first is the one in question
  std::vector<size_t> order;             // as they were routed; pipes and files among them
};

// Follows `address` (whose parts are in `query`) to all that it becomes. May wait on the current
// fiber. Ends early where there are more than kWalkAddressesMax.
RoutedTree route_all_of(const RouterChain& chain, const std::string& address,
                        const RouteQuery& query, HostFinder& hosts);
inline constexpr size_t kWalkAddressesMax = 100'000;

enum class VerifyVerdict : uint8_t { ok, failed, deferred };

struct VerifyAnswer {
  VerifyVerdict verdict = VerifyVerdict::deferred;
  std::string text;                 // why not
  bool text_is_for_client = false;  // of :fail: and :defer:
  std::string failure_kind;         // failed: "route", as $recipient_verify_failure has it
  AddressProperties properties;     // of the address that decided; $address_data
  std::string address;              // ok: that address, and where it would go, for a callout
  std::string local_part;           // of it, as routers see it
  std::string domain;
  std::string prefix;
  std::string suffix;
  std::string parent;  // the address that it was generated from; empty: none
  int transport = -1;
  SharedHostList hosts;
};

// Whether `query` (purpose verify_recipient or verify_sender) can be routed. An address that is
// redirected to exactly one other is as good as that one, unless `success_on_redirect`. May wait
// on the current fiber.
VerifyAnswer verify_address(const RouterChain& chain, const std::string& address,
                            const RouteQuery& query, bool success_on_redirect, HostFinder& hosts);

}  // namespace godwit::delivery
