// Variables of this host, of time and of the evaluation itself.
#include "acl/expand/variable_functions.h"
#include "acl/expand/variables.h"
#include "core/base/ascii.h"
#include "core/base/time.h"

#include <sys/statvfs.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <string>

namespace godwit::acl {
namespace {

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

void append_age(const EvalContext& context, std::string& out) {
  if (context.message == nullptr) return;
  const int64_t since = context.message->received_at.seconds();
  append_value(since == 0 ? 0 : context.now.seconds() - since, out);
}

void append_time(const EvalContext& context, const char* format, std::string& out) {
  const std::time_t seconds = context.now.seconds();
  std::tm parts{};
  if (context.utc) {
    gmtime_r(&seconds, &parts);
  } else {
    localtime_r(&seconds, &parts);
  }
  char text[64];
  out.append(text, std::strftime(text, sizeof text, format, &parts));
}

void append_zulu(const EvalContext& context, std::string& out) {
  const std::time_t seconds = context.now.seconds();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  out.append(text, std::strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts));
}

void config_dir(const ServerFacts& facts, std::string& out) {
  out += directory_of(facts.config_file);
}
void qualify_recipient(const ServerFacts& facts, std::string& out) {
  out += facts.qualify_recipient.empty() ? facts.qualify_domain : facts.qualify_recipient;
}
void smtp_active_hostname(const ServerFacts& facts, std::string& out) {
  out += facts.smtp_active_hostname.empty() ? facts.primary_hostname : facts.smtp_active_hostname;
}
void acl_narg(const EvalContext& context, std::string& out) {
  append_value(std::ssize(context.acl_args), out);
}
void headers_added(const EvalContext& context, std::string& out) {
  append_joined(context.headers_added, "\n", out);
}
void message_age(const EvalContext& context, std::string& out) {
  append_age(context, out);
}
void load_average(const EvalContext&, std::string& out) {
  double load = 0;
  if (getloadavg(&load, 1) == 1) append_value(static_cast<int64_t>(load * 1000), out);
}
// Kilobytes and inodes that are free where `path` is; -1 where that cannot be told.
void append_space(const std::string& path, bool inodes, std::string& out) {
  struct statvfs facts {};
  if (path.empty() || ::statvfs(path.c_str(), &facts) != 0) {
    out += "-1";
    return;
  }
  const uint64_t kilobytes = facts.f_bavail * (facts.f_frsize / 1024);
  append_value(static_cast<int64_t>(inodes ? facts.f_favail : kilobytes), out);
}
void spool_space(const ServerFacts& facts, std::string& out) {
  append_space(facts.spool_directory, false, out);
}
void spool_inodes(const ServerFacts& facts, std::string& out) {
  append_space(facts.spool_directory, true, out);
}
void log_space(const ServerFacts& facts, std::string& out) {
  append_space(facts.log_directory, false, out);
}
void log_inodes(const ServerFacts& facts, std::string& out) {
  append_space(facts.log_directory, true, out);
}
void compile_number(const EvalContext&, std::string& out) {
  out += '1';
}
void tod_bsdinbox(const EvalContext& context, std::string& out) {
  append_time(context, "%a %b %d %H:%M:%S %Y", out);
}
void tod_epoch(const EvalContext& context, std::string& out) {
  append_value(context.now.seconds(), out);
}
void tod_epoch_l(const EvalContext& context, std::string& out) {
  append_value(context.now.micros, out);
}
void tod_full(const EvalContext& context, std::string& out) {
  out += format_rfc5322_time(context.now, context.utc);
}
void tod_log(const EvalContext& context, std::string& out) {
  out += format_log_time(context.now, context.utc);
}
void tod_logfile(const EvalContext& context, std::string& out) {
  append_time(context, "%Y%m%d", out);
}
void tod_zone(const EvalContext& context, std::string& out) {
  append_time(context, "%z", out);
}
void tod_zulu(const EvalContext& context, std::string& out) {
  append_zulu(context, out);
}

// name, function, documentation
constexpr auto kRows = std::to_array<VariableRow>({
    {"config_file", field<&ServerFacts::config_file>, "the configuration file"},
    {"config_dir", made<&config_dir>, "its directory"},
    {"exim_path", field<&ServerFacts::exim_path>, "path of the program"},
    {"exim_version", field<&ServerFacts::version_number>, "version of the program"},
    {"exim_uid", field<&ServerFacts::uid>, "user that the program runs as"},
    {"exim_gid", field<&ServerFacts::gid>, "group that the program runs as"},
    {"pid", field<&ServerFacts::pid>, "process number"},
    {"primary_hostname", field<&ServerFacts::primary_hostname>, "name of this host"},
    {"qualify_domain", field<&ServerFacts::qualify_domain>, "domain added to senders"},
    {"qualify_recipient", made<&qualify_recipient>, "domain added to recipients"},
    {"smtp_active_hostname", made<&smtp_active_hostname>, "name of this host in this connection"},
    {"spool_directory", field<&ServerFacts::spool_directory>, "directory of the spool"},
    {"version_number", field<&ServerFacts::version_number>, "version of the program"},
    {"caller_uid", field<&ServerFacts::caller_uid>, "user that called the program"},
    {"caller_gid", field<&ServerFacts::caller_gid>, "group that called the program"},
    {"originator_uid", field<&ServerFacts::caller_uid>, "user that sent a local message"},
    {"originator_gid", field<&ServerFacts::caller_gid>, "group that sent a local message"},
    {"compile_number", compile_number, "build of this version"},
    {"initial_cwd", field<&ServerFacts::initial_directory>, "directory that the program began in"},
    {"localhost_number", field<&ServerFacts::localhost_number>, "number of this host"},
    {"bounce_return_size_limit", field<&ServerFacts::bounce_return_size_limit>,
     "bytes of a message that a report returns"},
    {"return_size_limit", field<&ServerFacts::bounce_return_size_limit>,
     "old name of bounce_return_size_limit"},
    {"load_average", load_average, "load of this host, in thousandths"},
    {"spool_space", made<&spool_space>, "free kilobytes of the spool"},
    {"spool_inodes", made<&spool_inodes>, "free inodes of the spool"},
    {"log_space", made<&log_space>, "free kilobytes of the logs"},
    {"log_inodes", made<&log_inodes>, "free inodes of the logs"},
    {"runrc", field<&EvalContext::runrc>, "exit status of the last run"},
    {"prvscheck_address", field<&EvalContext::prvscheck_address>, "address without its signature",
     Taint::outside},
    {"prvscheck_keynum", field<&EvalContext::prvscheck_keynum>, "key of the signature"},
    {"prvscheck_result", field<&EvalContext::prvscheck_result>, "1 where the signature is good"},
    {"srs_recipient", field<&EvalContext::srs_recipient>, "original sender of an SRS address",
     Taint::outside},
    {"regex_match_string", field<&EvalContext::regex_match>, "expression that matched",
     Taint::outside},
    {"acl_narg", made<&acl_narg>, "number of arguments of the ACL"},
    {"acl_verify_message", field<&EvalContext::acl_verify_message>,
     "why the last verification failed"},
    {"domain_data", field<&EvalContext::domain_data>, "what the last match of a domain list gave"},
    {"headers_added", made<&headers_added>, "headers that ACLs added so far"},
    {"host_data", field<&EvalContext::host_data>, "what the last match of a host list gave"},
    {"item", field<&EvalContext::item>, "the item under way in forany, map and others",
     Taint::of_item},
    {"local_part_data", field<&EvalContext::local_part_data>,
     "what the last match of a local part list gave"},
    {"recipient_data", field<&EvalContext::recipient_data>,
     "what the last match of recipients gave"},
    {"sender_data", field<&EvalContext::sender_data>, "what the last match of senders gave"},
    {"message_age", made<&message_age>, "seconds since the message came"},
    {"tod_bsdinbox", made<&tod_bsdinbox>, "time as in mailbox files"},
    {"tod_epoch", made<&tod_epoch>, "seconds since 1970"},
    {"tod_epoch_l", made<&tod_epoch_l>, "microseconds since 1970"},
    {"tod_full", made<&tod_full>, "time as in headers"},
    {"tod_log", made<&tod_log>, "time as in logs"},
    {"tod_logfile", made<&tod_logfile>, "date as in names of logs"},
    {"tod_zone", made<&tod_zone>, "time zone"},
    {"tod_zulu", made<&tod_zulu>, "UTC as one word"},
    {"value", field<&EvalContext::value>, "what the item around gave", Taint::of_value},
});

}  // namespace

std::span<const VariableRow> server_variable_rows() noexcept {
  return kRows;
}

}  // namespace godwit::acl
