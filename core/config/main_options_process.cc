// This host: files, users, processes, logs.
#include "core/config/main_option_rows.h"

#include <array>

namespace godwit::config {
namespace {

using enum Effect;
using M = MainOptions;

// name, field, default, effect, documentation, choices
constexpr auto kRows = std::to_array<OptionRow<M>>({
    {"add_environment", &M::add_environment, "", now, "variables added to the environment"},
    {"admin_groups", &M::admin_groups, "", never,
     "accepted; the rights of the control socket and the spool decide who administers"},
    {"bi_command", &M::bi_command, "", now, "command for -bi"},
    {"check_log_inodes", &M::check_log_inodes, "100", now,
     "free inodes that the log's file system must have"},
    {"check_log_space", &M::check_log_space, "10M", now,
     "free space that the log's file system must have"},
    {"check_spool_inodes", &M::check_spool_inodes, "100", now,
     "free inodes that the spool's file system must have"},
    {"check_spool_space", &M::check_spool_space, "10M", now,
     "free space that the spool's file system must have"},
    {"commandline_checks_require_admin", &M::commandline_checks_require_admin, "false", never,
     "accepted; the rights of files decide who may run -be, -bv and others"},
    {"debug_store", &M::debug_store, "false", never, "debug memory blocks"},
    {"exim_group", &M::exim_group, "", now, "group that the program runs as"},
    {"exim_path", &M::exim_path, "", now, "path of the program"},
    {"exim_user", &M::exim_user, "", now, "user that the program runs as"},
    {"exim_version", &M::exim_version, "", now, "version shown instead of the program's own"},
    {"explain_sample", &M::explain_sample, "", now,
     "share of the messages whose way is kept for --explain: 1% or 1/100; unset: none"},
    {"finduser_retries", &M::finduser_retries, "0", never, "accepted; the system is asked once"},
    {"gecos_name", &M::gecos_name, "", now, "full name made from gecos_pattern"},
    {"gecos_pattern", &M::gecos_pattern, "", now, "pattern for the user's full name"},
    {"hosts_connection_nolog", &M::hosts_connection_nolog, "", now,
     "hosts whose connections are not logged"},
    {"keep_environment", &M::keep_environment, "", now,
     "variables of the environment that are kept"},
    {"local_scan_path", &M::local_scan_path, "", never, "shared library with local_scan()"},
    {"local_scan_timeout", &M::local_scan_timeout, "5m", never, "time for local_scan()"},
    {"localhost_number", &M::localhost_number, "", now,
     "number of this host in message ids, 0 to 16"},
    {"log_file_path", &M::log_file_path, "", now, "log files; %s becomes main, reject or panic"},
    {"log_json_path", &M::log_json_path, "", now, "file for the log as JSON lines; unset: none"},
    {"log_selector", &M::log_selector, "", now, "optional lines and fields of the log"},
    {"log_timezone", &M::log_timezone, "false", now, "log lines have the time zone"},
    {"lookup_open_max", &M::lookup_open_max, "25", now, "lookup files kept open"},
    {"max_username_length", &M::max_username_length, "0", never,
     "accepted; user names are not cut here"},
    {"message_logs", &M::message_logs, "false", now, "write a log for each message"},
    {"never_users", &M::never_users, "", now, "users as whom no local delivery runs"},
    {"notifier_socket", &M::notifier_socket, "$spool_directory/exim_daemon_notify", never,
     "accepted; the control sockets are in the spool directory"},
    {"panic_coredump", &M::panic_coredump, "false", never,
     "accepted; the limits of the process decide whether one that aborts dumps core"},
    {"perl_at_start", &M::perl_at_start, "false", never, "embedded Perl"},
    {"perl_startup", &M::perl_startup, "", never, "embedded Perl"},
    {"perl_taintmode", &M::perl_taintmode, "false", never, "embedded Perl"},
    {"pid_file_path", &M::pid_file_path, "", now, "file for the daemon's process number"},
    {"preserve_message_logs", &M::preserve_message_logs, "false", now,
     "keep the logs of finished messages"},
    {"primary_hostname", &M::primary_hostname, "", now,
     "name of this host; unset: what the system says"},
    {"print_topbitchars", &M::print_topbitchars, "false", never,
     "accepted; the log has characters over 0x7f as they are"},
    {"process_log_path", &M::process_log_path, "", never, "file for process reports"},
    {"prod_requires_admin", &M::prod_requires_admin, "true", never,
     "accepted; the rights of the control socket decide who starts deliveries"},
    {"queue_list_requires_admin", &M::queue_list_requires_admin, "true", never,
     "accepted; the rights of the spool's files decide who sees the queue"},
    {"spool_directory", &M::spool_directory, "", now, "directory of the spool"},
    {"spool_wireformat", &M::spool_wireformat, "false", never,
     "accepted; bodies are always kept in wire format"},
    {"split_spool_directory", &M::split_spool_directory, "false", never,
     "accepted; the spool has no directories to split"},
    {"syslog_duplication", &M::syslog_duplication, "true", now, "send rejects to syslog twice"},
    {"syslog_facility", &M::syslog_facility, "", now, "syslog facility"},
    {"syslog_pid", &M::syslog_pid, "true", now, "syslog lines have the process number"},
    {"syslog_processname", &M::syslog_processname, "exim", now, "syslog name"},
    {"syslog_socket", &M::syslog_socket, "/dev/log", now, "socket of the syslog daemon"},
    {"syslog_timestamp", &M::syslog_timestamp, "true", now, "syslog lines have the time"},
    {"system_filter", &M::system_filter, "", later, "filter file for all messages"},
    {"system_filter_directory_transport", &M::system_filter_directory_transport, "", later,
     "transport for directories of the system filter"},
    {"system_filter_file_transport", &M::system_filter_file_transport, "", later,
     "transport for files of the system filter"},
    {"system_filter_group", &M::system_filter_group, "", later, "group of the system filter"},
    {"system_filter_pipe_transport", &M::system_filter_pipe_transport, "", later,
     "transport for pipes of the system filter"},
    {"system_filter_reply_transport", &M::system_filter_reply_transport, "", later,
     "transport for replies of the system filter"},
    {"system_filter_user", &M::system_filter_user, "", later, "user of the system filter"},
    {"timezone", &M::timezone, "", now, "time zone of logs and messages; unset: the system's"},
    {"trusted_groups", &M::trusted_groups, "", now, "groups that may set senders"},
    {"trusted_users", &M::trusted_users, "", now, "users that may set senders"},
    {"worker_patience", &M::worker_patience, "1m", now,
     "how long a worker may hang before it is ended; 0s: it is never ended"},
    {"workers", &M::workers, "0", now, "worker processes; 0: one a core"},
    {"write_rejectlog", &M::write_rejectlog, "true", now, "write the reject log"},
});

}  // namespace

std::span<const OptionRow<MainOptions>> process_option_rows() noexcept {
  return kRows;
}

}  // namespace godwit::config
