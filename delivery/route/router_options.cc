#include "delivery/route/router_options.h"

#include <array>

namespace godwit::delivery {
namespace {

using config::Effect;
using Options = RouterOptions;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<RouterOptions>>({
    // name                          field                                 default   effect         documentation
    {"address_data",                 &Options::address_data,               "",       Effect::now,   "sets $address_data; a forced failure declines the address"},
    {"address_test",                 &Options::address_test,               "true",   Effect::now,   "use this router when testing addresses with -bt"},
    {"cannot_route_message",         &Options::cannot_route_message,       "",       Effect::now,   "text of the failure where no router takes the address"},
    {"caseful_local_part",           &Options::caseful_local_part,         "false",  Effect::now,   "keep the case of local parts in this router"},
    {"check_local_user",             &Options::check_local_user,           "false",  Effect::now,   "the local part must be a login name"},
    {"condition",                    &Options::condition,                  "",       Effect::now,   "skip the router unless every condition is true"},
    {"debug_print",                  &Options::debug_print,                "",       Effect::now,   "text that -d and -bt show where the router is reached"},
    {"disable_logging",              &Options::disable_logging,            "false",  Effect::now,   "write no delivery lines for these addresses"},
    {"dnssec_request_domains",       &Options::dnssec_request_domains,     "*",      Effect::now,   "ask for DNSSEC"},
    {"dnssec_require_domains",       &Options::dnssec_require_domains,     "",       Effect::now,   "insist on DNSSEC"},
    {"domains",                      &Options::domains,                    "",       Effect::now,   "skip the router unless the domain matches"},
    {"dsn_lasthop",                  &Options::dsn_lasthop,                "false",  Effect::now,   "treat the next hop as one that does no DSN"},
    {"errors_to",                    &Options::errors_to,                  "",       Effect::now,   "where bounces of these addresses go"},
    {"expn",                         &Options::expn,                       "true",   Effect::now,   "use this router for EXPN"},
    {"fail_verify",                  &Options::fail_verify,                "false",  Effect::now,   "an address that this router takes fails verification"},
    {"fail_verify_recipient",        &Options::fail_verify_recipient,      "false",  Effect::now,   "the same for recipients only"},
    {"fail_verify_sender",           &Options::fail_verify_sender,         "false",  Effect::now,   "the same for senders only"},
    {"fallback_hosts",               &Options::fallback_hosts,             "",       Effect::now,   "hosts to try when all others failed"},
    {"group",                        &Options::group,                      "",       Effect::now,   "group of a local delivery"},
    {"headers_add",                  &Options::headers_add,                "",       Effect::now,   "header lines to add at delivery"},
    {"headers_remove",               &Options::headers_remove,             "",       Effect::now,   "header lines to remove at delivery"},
    {"ignore_target_hosts",          &Options::ignore_target_hosts,        "",       Effect::now,   "addresses of hosts that are never used"},
    {"initgroups",                   &Options::initgroups,                 "false",  Effect::now,   "use the user's additional groups"},
    {"local_part_prefix",            &Options::local_part_prefix,          "",       Effect::now,   "prefixes of the local part, one of which must be there"},
    {"local_part_prefix_optional",   &Options::local_part_prefix_optional, "false",  Effect::now,   "the prefix may be missing"},
    {"local_part_suffix",            &Options::local_part_suffix,          "",       Effect::now,   "suffixes of the local part, one of which must be there"},
    {"local_part_suffix_optional",   &Options::local_part_suffix_optional, "false",  Effect::now,   "the suffix may be missing"},
    {"local_parts",                  &Options::local_parts,                "",       Effect::now,   "skip the router unless the local part matches"},
    {"log_as_local",                 &Options::log_as_local,               "false",  Effect::now,   "log the local part alone, as for local deliveries"},
    {"more",                         &Options::more,                       "true",   Effect::now,   "go on with the next router where this one declines"},
    {"pass_on_timeout",              &Options::pass_on_timeout,            "false",  Effect::now,   "pass to the next router where a look-up timed out"},
    {"pass_router",                  &Options::pass_router,                "",       Effect::now,   "which router gets an address that was passed on"},
    {"prefix",                       &Options::local_part_prefix,          "",       Effect::now,   "old name of local_part_prefix"},
    {"prefix_optional",              &Options::local_part_prefix_optional, "false",  Effect::now,   "old name of local_part_prefix_optional"},
    {"redirect_router",              &Options::redirect_router,            "",       Effect::now,   "where generated addresses start"},
    {"require_files",                &Options::require_files,              "",       Effect::now,   "skip the router unless these files exist"},
    {"retry_use_local_part",         &Options::retry_use_local_part,       "false",  Effect::now,   "retry each address of a domain by itself"},
    {"router_home_directory",        &Options::router_home_directory,      "",       Effect::now,   "$home while this router runs"},
    {"self",                         &Options::self,                       "freeze", Effect::now,   "what to do where the host is this host"},
    {"senders",                      &Options::senders,                    "",       Effect::now,   "skip the router unless the sender matches"},
    {"set",                          &Options::set,                        "",       Effect::now,   "sets a variable r_..."},
    {"suffix",                       &Options::local_part_suffix,          "",       Effect::now,   "old name of local_part_suffix"},
    {"suffix_optional",              &Options::local_part_suffix_optional, "false",  Effect::now,   "old name of local_part_suffix_optional"},
    {"translate_ip_address",         &Options::translate_ip_address,       "",       Effect::now,   "replaces addresses of hosts"},
    {"transport",                    &Options::transport,                  "",       Effect::now,   "the transport that delivers"},
    {"transport_current_directory",  &Options::transport_current_directory, "",      Effect::now,   "working directory of the transport"},
    {"transport_home_directory",     &Options::transport_home_directory,   "",       Effect::now,   "$home while the transport runs"},
    {"unseen",                       &Options::unseen,                     "false",  Effect::now,   "deliver, and route a copy on"},
    {"user",                         &Options::user,                       "",       Effect::now,   "user of a local delivery"},
    {"verify",                       &Options::verify,                     "true",   Effect::now,   "use this router to verify addresses"},
    {"verify_only",                  &Options::verify_only,                "false",  Effect::now,   "use this router only to verify addresses"},
    {"verify_recipient",             &Options::verify_recipient,           "true",   Effect::now,   "use this router to verify recipients"},
    {"verify_sender",                &Options::verify_sender,              "true",   Effect::now,   "use this router to verify senders"},
});
// clang-format on

}  // namespace

std::span<const config::OptionRow<RouterOptions>> router_option_rows() noexcept {
  return kRows;
}

}  // namespace godwit::delivery
