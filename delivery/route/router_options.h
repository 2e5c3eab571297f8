// The options that every router has, as an operator writes them. Rows are in router_options.cc;
// the options of one driver are in that driver's file. EXIM.md 2.7.
#pragma once

#include "core/config/option.h"

#include <span>
#include <string>

namespace godwit::delivery {

struct RouterOptions {
  config::ExpandText address_data;
  bool address_test = true;
  config::ExpandText cannot_route_message;
  bool caseful_local_part = false;
  bool check_local_user = false;
  config::ExpandTexts condition;
  config::ExpandText debug_print;
  bool disable_logging = false;
  config::DomainListText dnssec_request_domains;
  config::DomainListText dnssec_require_domains;
  config::DomainListText domains;
  bool dsn_lasthop = false;
  config::ExpandText errors_to;
  bool expn = true;
  bool fail_verify = false;
  bool fail_verify_recipient = false;
  bool fail_verify_sender = false;
  std::string fallback_hosts;
  config::ExpandText group;
  config::ExpandTexts headers_add;
  config::ExpandTexts headers_remove;
  config::HostListText ignore_target_hosts;
  bool initgroups = false;
  config::PlainList local_part_prefix;
  bool local_part_prefix_optional = false;
  config::PlainList local_part_suffix;
  bool local_part_suffix_optional = false;
  config::LocalPartListText local_parts;
  bool log_as_local = false;
  config::ExpandBool more;
  bool pass_on_timeout = false;
  std::string pass_router;
  std::string redirect_router;
  config::ExpandText require_files;
  bool retry_use_local_part = false;
  config::ExpandText router_home_directory;
  std::string self;
  config::AddressListText senders;
  config::ExpandTexts set;
  config::ExpandText translate_ip_address;
  config::ExpandText transport;
  config::ExpandText transport_current_directory;
  config::ExpandText transport_home_directory;
  config::ExpandBool unseen;
  config::ExpandText user;
  bool verify = true;
  bool verify_only = false;
  bool verify_recipient = true;
  bool verify_sender = true;
};

std::span<const config::OptionRow<RouterOptions>> router_option_rows() noexcept;

}  // namespace godwit::delivery
