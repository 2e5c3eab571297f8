// CommandLine: Exim's command line as a value. Options are rows in command_line.cc.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/config/document.h"
#include "daemon/debug_selectors.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::daemon {

enum class Mode : uint8_t {
  submit,             // a message on standard input (the default, -bm)
  daemon,             // -bd, -bdf, and -q10m
  smtp,               // -bs
  batch_smtp,         // -bS
  test_session,       // -bh
  check_config,       // -bV
  list_queue,         // -bp and its kin
  print_config,       // -bP
  count_queue,        // -bpc
  queue_run,          // -q
  act,                // -M...
  show,               // -Mvh, -Mvb, -Mvl, -Mvc
  expand,             // -be, -bem
  test_addresses,     // -bt
  verify_recipients,  // -bv
  verify_sender,      // -bvs
  test_rewriting,     // -brw
  test_retry,         // -brt
  write_note,         // -z
  rebuild_aliases,    // -bi
  explain,            // --explain
  print_docs,         // --print-docs
  worker,             // of the supervisor
  help,
};

enum class MessageAction : uint8_t {
  none,
  deliver,        // -M
  try_deliver,    // -Mc
  freeze,         // -Mf
  thaw,           // -Mt
  remove,         // -Mrm
  give_up,        // -Mg
  mark_all,       // -Mmad
  mark,           // -Mmd
  edit_sender,    // -Mes
  move,           // -MG
  add_recipient,  // -Mar
  view_headers,   // -Mvh
  view_body,      // -Mvb
  view_log,       // -Mvl
  view_copy,      // -Mvc
};

enum class DeliveryMode : uint8_t { background, foreground, queue_only };  // -odb, -odi/-odf, -odq

// How the user is told of a submission that fails: -oem and -oew, -oee, -oep and -oeq.
enum class ErrorReport : uint8_t { mail, mail_and_succeed, print };

struct CommandLine {
  Mode mode = Mode::submit;
  bool delivery_given = false;     // one of -odb, -odf, -odi, -odq
  std::string program;             // as it was called
  std::vector<std::string> words;  // as given, without the program's name

  std::string config_path;
  std::vector<config::MacroOverride> macros;
  std::string interfaces;      // -oX
  std::string pid_file;        // -oP
  bool foreground = false;     // -bdf
  bool values_only = false;    // -n
  bool listens = false;        // -bd, -bdf
  std::string queue_interval;  // "10m" of -q10m
  std::string worker;          // --worker=...
  std::string announcement;    // --announce=...
  std::string test_host;       // -bh
  bool test_callouts = false;  // -bhc

  MessageAction action = MessageAction::none;
  // -q
  bool queue_forced = false;
  bool queue_with_frozen = false;
  bool queue_first_only = false;
  std::string queue_name;      // -qG, -MG
  bool queue_regex = false;    // -Rr, -Sr
  std::string queue_match;     // -R: what a recipient has in it
  std::string queue_sender;    // -S: what the sender has in it
  std::string queue_first_id;  // -q ID ID
  std::string queue_last_id;
  // -bp
  bool list_unsorted = false;     // -bpr
  bool list_undelivered = false;  // -bpu
  bool list_all = false;          // -bpa
  bool list_ids = false;          // -bpi

  // Submission
  bool recipients_from_headers = false;  // -t
  bool dot_is_text = false;              // -i, -oi
  bool sender_given = false;
  std::string sender;     // -f
  std::string full_name;  // -F
  DeliveryMode delivery = DeliveryMode::background;
  std::string received_protocol;     // -oMr
  std::string sender_host;           // -oMa
  std::string sender_host_name;      // -oMs
  std::string sender_ident;          // -oMt
  std::string interface;             // -oMi
  std::string authenticator;         // -oMaa
  std::string authenticated_id;      // -oMai
  std::string authenticated_sender;  // -oMas
  std::string reported_message;      // -oMm
  ErrorReport error_report = ErrorReport::mail;

  std::string message_file;     // of -bem
  std::string spooled_message;  // -Mset, of -be
  std::string note;             // -z
  std::string alias_argument;   // -oA
  std::string explained;        // of --explain: a dialogue, or a message id
  bool as_json = false;         // --json
  std::optional<DebugSelectors> debug;
  std::string debug_text;  // "+all-dns" of -d+all-dns

  std::vector<std::string> arguments;  // message ids, recipients, strings of -be
};

// `program` is the name that it was called by: "mailq", "sendmail", "rsmtp" and so on mean options.
// The error says which word is wrong.
Result<CommandLine> parse_command_line(std::string_view program,
                                       const std::vector<std::string>& words);

std::string usage();

}  // namespace godwit::daemon
