#include "delivery/route/redirect_options.h"

#include <array>

namespace godwit::delivery {
namespace {

using config::Effect;
using Options = RedirectOptions;

// clang-format off
constexpr auto kRows = std::to_array<config::OptionRow<RedirectOptions>>({
    {"allow_defer",               &Options::allow_defer,             "false", Effect::now,   ":defer: may be used"},
    {"allow_fail",                &Options::allow_fail,              "false", Effect::now,   ":fail: may be used"},
    {"allow_filter",              &Options::allow_filter,            "false", Effect::now,   "the data may be a filter; such data defer the address, since filters are not available"},
    {"allow_freeze",              &Options::allow_freeze,            "false", Effect::never, "would let filters freeze messages; such data defer the address"},
    {"check_ancestor",            &Options::check_ancestor,          "false", Effect::now,   "an item that is an address further up means the address itself"},
    {"check_group",               &Options::check_group,             "false", Effect::now,   "the file must belong to one of owngroups, or the user's group"},
    {"check_owner",               &Options::check_owner,             "false", Effect::now,   "the file must belong to one of owners, or the user"},
    {"data",                      &Options::data,                    "",      Effect::now,   "the list of items, expanded"},
    {"directory_transport",       &Options::directory_transport,     "",      Effect::now,   "transport of paths that end with a slash"},
    {"file",                      &Options::file,                    "",      Effect::now,   "a file with the list of items"},
    {"file_transport",            &Options::file_transport,          "",      Effect::now,   "transport of paths"},
    {"filter_prepend_home",       &Options::filter_locked,           "true",  Effect::later, "of filters"},
    {"forbid_blackhole",          &Options::forbid_blackhole,        "false", Effect::now,   ":blackhole: is refused"},
    {"forbid_exim_filter",        &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_file",               &Options::forbid_file,             "false", Effect::now,   "items that are paths are refused"},
    {"forbid_filter_dlfunc",      &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_filter_existstest",  &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_filter_logwrite",    &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_filter_lookup",      &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_filter_perl",        &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_filter_readfile",    &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_filter_readsocket",  &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_filter_reply",       &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_filter_run",         &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_include",            &Options::forbid_include,          "false", Effect::now,   ":include: is refused"},
    {"forbid_pipe",               &Options::forbid_pipe,             "false", Effect::now,   "items that are commands are refused"},
    {"forbid_sieve_filter",       &Options::filter_locked,           "false", Effect::later, "of filters"},
    {"forbid_smtp_code",          &Options::forbid_smtp_code,        "false", Effect::now,   "a code at the start of a :fail: or :defer: text means nothing"},
    {"hide_child_in_errmsg",      &Options::hide_child_in_errmsg,    "false", Effect::now,   "reports do not show generated addresses"},
    {"ignore_eacces",             &Options::ignore_eacces,           "false", Effect::now,   "a file that may not be read is not there"},
    {"ignore_enotdir",            &Options::ignore_enotdir,          "false", Effect::now,   "a file below something that is no directory is not there"},
    {"include_directory",         &Options::include_directory,       "",      Effect::now,   "included files must be below it"},
    {"modemask",                  &Options::modemask,                "022",   Effect::now,   "permission bits that the file must not have"},
    {"one_time",                  &Options::one_time,                "false", Effect::now,   "expand once: children replace the recipient after the first attempt"},
    {"owners",                    &Options::owners,                  "",      Effect::now,   "who may own the file"},
    {"owngroups",                 &Options::owngroups,               "",      Effect::now,   "whose group the file may have"},
    {"pipe_transport",            &Options::pipe_transport,          "",      Effect::now,   "transport of commands"},
    {"qualify_domain",            &Options::qualify_domain,          "",      Effect::now,   "domain of items that have none; qualify_recipient where unset"},
    {"qualify_preserve_domain",   &Options::qualify_preserve_domain, "false", Effect::now,   "items without a domain get that of the address"},
    {"repeat_use",                &Options::repeat_use,              "true",  Effect::now,   "use the router again for other addresses that come of one that it redirected"},
    {"reply_transport",           &Options::reply_transport,         "",      Effect::never, "would be the transport of replies of filters; such data defer the address"},
    {"rewrite",                   &Options::rewrite,                 "true",  Effect::now,   "rewriting rules apply to items"},
    {"sieve_enotify_mailto_owner", &Options::sieve_text,             "",      Effect::later, "of Sieve filters"},
    {"sieve_subaddress",          &Options::sieve_text,              "",      Effect::later, "of Sieve filters"},
    {"sieve_useraddress",         &Options::sieve_text,              "",      Effect::later, "of Sieve filters"},
    {"sieve_vacation_directory",  &Options::sieve_text,              "",      Effect::later, "of Sieve filters"},
    {"skip_syntax_errors",        &Options::skip_syntax_errors,      "false", Effect::now,   "leave out items that are wrong"},
    {"syntax_errors_text",        &Options::syntax_errors_text,      "",      Effect::now,   "text of the message about wrong items"},
    {"syntax_errors_to",          &Options::syntax_errors_to,        "",      Effect::now,   "who is told about wrong items"},
});
// clang-format on

}  // namespace

std::span<const config::OptionRow<RedirectOptions>> redirect_option_rows() noexcept {
  return kRows;
}

}  // namespace godwit::delivery
