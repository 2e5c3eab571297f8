#include "daemon/command_line.h"

#include "core/base/ascii.h"
#include "protocol/message/message_id.h"

#include <algorithm>
#include <array>

namespace godwit::daemon {
namespace {

enum class Shape : uint8_t {
  alone,       // the word is the option
  glued,       // the rest of the word is its value, which may be empty
  with_value,  // the value is the rest of the word, or the next word
  queue_run,   // flags glued to it; an interval glued or as the next word, or up to two message ids
  with_text,   // flags glued to it; the next word is a text
};

struct OptionRow {
  std::string_view name;
  Shape shape;
  void (*apply)(CommandLine& line, std::string_view value);
  std::string_view help;  // empty: accepted for Sendmail's sake
};

void ignore(CommandLine&, std::string_view) {}

void set_mode(CommandLine& line, Mode mode) {
  line.mode = mode;
}

void set_delivery(CommandLine& line, DeliveryMode mode) {
  line.delivery = mode;
  line.delivery_given = true;
}

// The letter of -oe and -e.
void set_error_report(CommandLine& line, std::string_view letter) {
  if (letter == "e") line.error_report = ErrorReport::mail_and_succeed;
  if (letter == "m" || letter == "w") line.error_report = ErrorReport::mail;
  if (letter == "p" || letter == "q") line.error_report = ErrorReport::print;
}

template <MessageAction action>
void act(CommandLine& line, std::string_view) {
  const bool shows = action >= MessageAction::view_headers;
  line.mode = shows ? Mode::show : Mode::act;
  line.action = action;
}

void set_macro(CommandLine& line, std::string_view value) {
  const size_t equals = value.find('=');
  config::MacroOverride macro;
  macro.name = trim(value.substr(0, equals));
  if (equals != std::string_view::npos) macro.value = value.substr(equals + 1);
  line.macros.push_back(std::move(macro));
}

void set_queue_flag(CommandLine& line, char flag) {
  line.queue_with_frozen |= flag == 'f' && line.queue_forced;
  line.queue_forced |= flag == 'f';
  line.queue_first_only |= flag == 'i';
}

// -q, -qf, -qff, -qi, -ql, -q10m, -qf10m, -qfGname, -qGname/10m ...
void set_queue(CommandLine& line, std::string_view value) {
  size_t at = 0;
  for (; at < value.size() && value[at] != 'G' && !is_digit(value[at]); ++at)
    set_queue_flag(line, value[at]);
  value.remove_prefix(at);
  if (value.starts_with('G')) {
    const size_t slash = std::min(value.find('/'), value.size());
    line.queue_name = value.substr(1, slash - 1);
    value.remove_prefix(std::min(slash + 1, value.size()));
  }
  line.queue_interval = value;
}

// -Rff text, -Srf text
void set_selection(CommandLine& line, std::string_view flags) {
  for (const char flag : flags) set_queue_flag(line, flag);
  line.queue_regex |= flags.find('r') != std::string_view::npos;
  set_mode(line, Mode::queue_run);
}

// -MG: the first argument is the name of the queue.
void set_move(CommandLine& line, std::string_view queue) {
  act<MessageAction::move>(line, queue);
  line.queue_name = queue;
}

// The longest name that fits wins, so the order is free; it is kept by subject.
// clang-format off
constexpr std::array kRows{
    //        name       shape              function                                                                                  help
    OptionRow{"-bV",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::check_config); },                "check the configuration, print the version"},
    OptionRow{"-bd",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::daemon); l.listens = true; },    "daemon in the background"},
    OptionRow{"-bdf",    Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::daemon); l.listens = l.foreground = true; }, "daemon in the foreground"},
    OptionRow{"-C",      Shape::with_value, [](CommandLine& l, std::string_view v) { l.config_path = v; },                            "configuration file; of a list separated by colons the first that exists"},
    OptionRow{"-d",      Shape::glued,      [](CommandLine& l, std::string_view v) { l.debug.emplace(); l.debug_text = v; },          "show on standard error what is done; -d+expand-dns chooses"},
    OptionRow{"--explain", Shape::with_value, [](CommandLine& l, std::string_view v) { set_mode(l, Mode::explain); l.explained = v; }, "the way of a message: \"MAIL FROM:<a@b> RCPT TO:<c@d> from 192.0.2.1 helo NAME data FILE\", or a message id"},
    OptionRow{"--json",  Shape::alone,      [](CommandLine& l, std::string_view) { l.as_json = true; },                               "--explain as JSON"},
    OptionRow{"-D",      Shape::glued,      set_macro,                                                                                "-DNAME=value defines a macro"},
    OptionRow{"-oX",     Shape::with_value, [](CommandLine& l, std::string_view v) { l.interfaces = v; },                             "addresses and ports to listen on"},
    OptionRow{"-oP",     Shape::with_value, [](CommandLine& l, std::string_view v) { l.pid_file = v; },                               "pid file"},
    OptionRow{"-q",      Shape::queue_run,  set_queue,                                                                                "queue run; -q10m every ten minutes; -qf forced, -qff with frozen messages; -qGname the named queue, also with -bp"},
    OptionRow{"-be",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::expand); },                      "expand strings: the arguments, or lines of standard input"},
    OptionRow{"-bem",    Shape::with_value, [](CommandLine& l, std::string_view v) { set_mode(l, Mode::expand); l.message_file = v; }, "the same with the message in a file"},
    OptionRow{"-brw",    Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::test_rewriting); },              "show what rewriting rules make of addresses"},
    OptionRow{"-brt",    Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::test_retry); },                  "show the retry rule for an address or a domain, a second domain and an error, as far as they are given"},
    OptionRow{"-z",      Shape::with_value, [](CommandLine& l, std::string_view v) { set_mode(l, Mode::write_note); l.note = v; },    "write this into the main log"},
    OptionRow{"-Mset",   Shape::with_value, [](CommandLine& l, std::string_view v) { l.spooled_message = v; },                        "with -be: the facts of that message of the queue"},
    OptionRow{"-bt",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::test_addresses); },              "show where addresses would go: the arguments, or lines of standard input"},
    OptionRow{"-bv",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::verify_recipients); },           "verify addresses as recipients"},
    OptionRow{"-bi",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::rebuild_aliases); },             "run bi_command, where it is set"},
    OptionRow{"-oA",     Shape::with_value, [](CommandLine& l, std::string_view v) { l.alias_argument = v; },                         "argument of bi_command"},
    OptionRow{"-bvs",    Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::verify_sender); },               "verify addresses as senders"},
    OptionRow{"-bp",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::list_queue); },                  "list the queue"},
    OptionRow{"-bpa",    Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::list_queue); l.list_all = true; }, "the same, with generated addresses"},
    OptionRow{"-bpc",    Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::count_queue); },                 "count the queue"},
    OptionRow{"-bpi",    Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::list_queue); l.list_ids = true; }, "list message ids"},
    OptionRow{"-bpr",    Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::list_queue); l.list_unsorted = true; }, "list without sorting"},
    OptionRow{"-bpra",   Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::list_queue); l.list_unsorted = l.list_all = true; }, "list without sorting, with generated addresses"},
    OptionRow{"-bpri",   Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::list_queue); l.list_unsorted = l.list_ids = true; }, "message ids without sorting"},
    OptionRow{"-bpru",   Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::list_queue); l.list_unsorted = l.list_undelivered = true; }, "undelivered addresses without sorting"},
    OptionRow{"-bpu",    Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::list_queue); l.list_undelivered = true; }, "list undelivered addresses only"},
    OptionRow{"-bP",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::print_config); },                "print options: names, +list, config, router NAME, acl NAME, macro NAME, router_list ...; all main options"},
    OptionRow{"-M",      Shape::alone,      act<MessageAction::deliver>,                                                              "deliver these messages now"},
    OptionRow{"-Mc",     Shape::alone,      act<MessageAction::try_deliver>,                                                          "the same as a queue run does it: not frozen ones, nor before their time"},
    OptionRow{"-Mf",     Shape::alone,      act<MessageAction::freeze>,                                                               "freeze messages"},
    OptionRow{"-Mt",     Shape::alone,      act<MessageAction::thaw>,                                                                 "thaw messages"},
    OptionRow{"-Mrm",    Shape::alone,      act<MessageAction::remove>,                                                               "remove messages; nobody is told"},
    OptionRow{"-Mg",     Shape::alone,      act<MessageAction::give_up>,                                                              "give up: bounce messages"},
    OptionRow{"-Mmad",   Shape::alone,      act<MessageAction::mark_all>,                                                             "mark all recipients as delivered"},
    OptionRow{"-Mmd",    Shape::alone,      act<MessageAction::mark>,                                                                 "mark recipients of a message as delivered"},
    OptionRow{"-Mes",    Shape::alone,      act<MessageAction::edit_sender>,                                                          "change the sender of a message"},
    OptionRow{"-MG",     Shape::with_value, set_move,                                                                                 "move messages into a named queue"},
    OptionRow{"-R",      Shape::with_text,  set_selection,                                                                            "queue run for messages to addresses that have this text in them; -Rf, -Rff as with -q; -Rr: a regular expression"},
    OptionRow{"-S",      Shape::with_text,  set_selection,                                                                            "the same for messages from such addresses"},
    OptionRow{"-Mar",    Shape::alone,      act<MessageAction::add_recipient>,                                                        "add recipients to a message"},
    OptionRow{"-Mvh",    Shape::alone,      act<MessageAction::view_headers>,                                                         "show the envelope and header section of a message"},
    OptionRow{"-Mvb",    Shape::alone,      act<MessageAction::view_body>,                                                            "show the body of a message"},
    OptionRow{"-Mvl",    Shape::alone,      act<MessageAction::view_log>,                                                             "show the log lines of a message"},
    OptionRow{"-Mvc",    Shape::alone,      act<MessageAction::view_copy>,                                                            "show a whole message"},
    OptionRow{"-bs",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::smtp); },                        "SMTP on standard input and output"},
    OptionRow{"-bS",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::batch_smtp); },                  "batched SMTP on standard input"},
    OptionRow{"-bhc",    Shape::with_value, [](CommandLine& l, std::string_view v) { set_mode(l, Mode::test_session); l.test_host = v; l.test_callouts = true; }, "as -bh, with callouts"},
    OptionRow{"-bh",     Shape::with_value, [](CommandLine& l, std::string_view v) { set_mode(l, Mode::test_session); l.test_host = v; }, "an SMTP session on standard input as if from that host; shows ACLs as they run, keeps nothing"},
    OptionRow{"-bm",     Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::submit); },                      "a message on standard input (the default)"},
    OptionRow{"-t",      Shape::alone,      [](CommandLine& l, std::string_view) { l.recipients_from_headers = true; },               "recipients are in To:, Cc: and Bcc:"},
    OptionRow{"-ti",     Shape::alone,      [](CommandLine& l, std::string_view) { l.recipients_from_headers = l.dot_is_text = true; }, "-t -i"},
    OptionRow{"-i",      Shape::alone,      [](CommandLine& l, std::string_view) { l.dot_is_text = true; },                           "a line with one dot does not end the message"},
    OptionRow{"-oi",     Shape::alone,      [](CommandLine& l, std::string_view) { l.dot_is_text = true; },                           "the same"},
    OptionRow{"-oitrue", Shape::alone,      [](CommandLine& l, std::string_view) { l.dot_is_text = true; },                           "the same"},
    OptionRow{"-f",      Shape::with_value, [](CommandLine& l, std::string_view v) { l.sender = v; l.sender_given = true; },          "sender"},
    OptionRow{"-r",      Shape::with_value, [](CommandLine& l, std::string_view v) { l.sender = v; l.sender_given = true; },          "the same"},
    OptionRow{"-F",      Shape::with_value, [](CommandLine& l, std::string_view v) { l.full_name = v; },                              "full name of the sender"},
    OptionRow{"-odb",    Shape::alone,      [](CommandLine& l, std::string_view) { set_delivery(l, DeliveryMode::background); },          "deliver in the background (the default)"},
    OptionRow{"-odf",    Shape::alone,      [](CommandLine& l, std::string_view) { set_delivery(l, DeliveryMode::foreground); },          "deliver before the command ends"},
    OptionRow{"-odi",    Shape::alone,      [](CommandLine& l, std::string_view) { set_delivery(l, DeliveryMode::foreground); },          "the same"},
    OptionRow{"-odq",    Shape::alone,      [](CommandLine& l, std::string_view) { set_delivery(l, DeliveryMode::queue_only); },          "queue only"},
    OptionRow{"-odqs",   Shape::alone,      [](CommandLine& l, std::string_view) { set_delivery(l, DeliveryMode::queue_only); },          "the same"},
    OptionRow{"-oMa",    Shape::with_value, [](CommandLine& l, std::string_view v) { l.sender_host = v; },                            "address of the sending host"},
    OptionRow{"-oMr",    Shape::with_value, [](CommandLine& l, std::string_view v) { l.received_protocol = v; },                      "protocol of the arrival"},
    OptionRow{"-oMs",    Shape::with_value, [](CommandLine& l, std::string_view v) { l.sender_host_name = v; },                       "name of the sending host"},
    OptionRow{"-oMt",    Shape::with_value, [](CommandLine& l, std::string_view v) { l.sender_ident = v; },                           "ident of the sender"},
    OptionRow{"-oe",     Shape::glued,      set_error_report,                                                                         "what is wrong with a submission: -oem mails it to the sender (the default), -oee too but succeeds, -oep and -oeq print it"},
    OptionRow{"-e",      Shape::glued,      set_error_report,                                                                         "the same without the o"},
    OptionRow{"-oMi",    Shape::with_value, [](CommandLine& l, std::string_view v) { l.interface = v; },                              "address of the interface that it came in by"},
    OptionRow{"-oMaa",   Shape::with_value, [](CommandLine& l, std::string_view v) { l.authenticator = v; },                          "authenticator of the sender"},
    OptionRow{"-oMai",   Shape::with_value, [](CommandLine& l, std::string_view v) { l.authenticated_id = v; },                       "authenticated id of the sender"},
    OptionRow{"-oMas",   Shape::with_value, [](CommandLine& l, std::string_view v) { l.authenticated_sender = v; },                   "authenticated sender"},
    OptionRow{"-oMm",    Shape::with_value, [](CommandLine& l, std::string_view v) { l.reported_message = v; },                       "id of the message that this one reports on"},
    OptionRow{"--print-docs", Shape::alone, [](CommandLine& l, std::string_view) { set_mode(l, Mode::print_docs); },                  "the tables of the manual as Markdown, made of what this program knows; with a word, those with it in their title"},
    OptionRow{"--help",  Shape::alone,      [](CommandLine& l, std::string_view) { set_mode(l, Mode::help); },                        "this text"},
    OptionRow{"--worker=", Shape::glued,    [](CommandLine& l, std::string_view v) { set_mode(l, Mode::worker); l.worker = v; },      ""},
    OptionRow{"--announce=", Shape::glued,  [](CommandLine& l, std::string_view v) { l.announcement = v; },                           ""},
    // What Sendmail has and mail programs pass without meaning anything by it.
    OptionRow{"-A",      Shape::glued,      ignore,                                                                                   ""},
    OptionRow{"-x",      Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-ov",     Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-dropcr", Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-om",     Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-oo",     Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-o7",     Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-o8",     Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-m",      Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-n",      Shape::alone,      [](CommandLine& l, std::string_view) { l.values_only = true; },                               "with -bP: values without names"},
    OptionRow{"-v",      Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-U",      Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-G",      Shape::alone,      ignore,                                                                                   ""},
    OptionRow{"-B",      Shape::glued,      ignore,                                                                                   ""},
    OptionRow{"-h",      Shape::with_value, ignore,                                                                                   ""},
    OptionRow{"-L",      Shape::with_value, ignore,                                                                                   ""},
    OptionRow{"-N",      Shape::with_value, ignore,                                                                                   ""},
    OptionRow{"-V",      Shape::with_value, ignore,                                                                                   ""},
    OptionRow{"-X",      Shape::with_value, ignore,                                                                                   ""},
    OptionRow{"-O",      Shape::with_value, ignore,                                                                                   ""},
};

// Names that the program is called by, and the options that they stand for.
struct ProgramRow {
  std::string_view name;
  std::string_view option;
};
constexpr std::array kPrograms{
    ProgramRow{"mailq",      "-bp"},
    ProgramRow{"newaliases", "-bi"},
    ProgramRow{"rsmtp",      "-bS"},
    ProgramRow{"rmail",      "-i"},
    ProgramRow{"runq",       "-q"},
};
// clang-format on

const OptionRow* find_row(std::string_view word) {
  const OptionRow* best = nullptr;
  for (const OptionRow& row : kRows) {
    const bool fits = row.shape == Shape::alone ? word == row.name : word.starts_with(row.name);
    if (fits && (best == nullptr || row.name.size() > best->name.size())) best = &row;
  }
  return best;
}

// What may follow "-q": an interval, or the ids of the first message of a run and of the last.
Result<void> take_queue_words(CommandLine& line, const std::vector<std::string>& words, size_t& at,
                              bool had_interval) {
  const auto follows = [&] { return at < words.size() && !words[at].starts_with('-'); };
  if (line.queue_interval.empty()) {
    for (std::string* id : {&line.queue_first_id, &line.queue_last_id}) {
      if (follows() && message::MessageId::parse(words[at])) *id = words[at++];
    }
    if (line.queue_first_id.empty() && follows()) line.queue_interval = words[at++];
  }
  if (had_interval)
    return Error(Errc::invalid_argument, "there can be one -q with an interval, not two");
  // A worker is told of the interval too, and stays a worker.
  if (line.mode == Mode::submit)
    line.mode = line.queue_interval.empty() ? Mode::queue_run : Mode::daemon;
  return {};
}

Result<void> apply_word(CommandLine& line, const std::vector<std::string>& words, size_t& at) {
  const std::string_view word = words[at++];
  const OptionRow* row = find_row(word);
  if (row == nullptr) {
    return Error(Errc::invalid_argument,
                 "unknown option " + escape_control(word) + " (--help lists them)");
  }
  std::string_view value = word.substr(row->name.size());
  if (row->shape == Shape::with_value && value.empty()) {
    if (at == words.size())
      return Error(Errc::invalid_argument, std::string(word) + " needs a value");
    value = words[at++];
  }
  if (row->shape == Shape::with_text) {
    if (at == words.size())
      return Error(Errc::invalid_argument, std::string(word) + " needs a text");
    (row->name == "-R" ? line.queue_match : line.queue_sender) = words[at++];
  }
  const bool had_interval = !line.queue_interval.empty();
  row->apply(line, value);
  if (row->shape == Shape::queue_run) return take_queue_words(line, words, at, had_interval);
  return {};
}

// What has no use for words that are no options.
bool is_alone(Mode mode) {
  constexpr std::array kAlone{Mode::daemon, Mode::smtp, Mode::batch_smtp, Mode::count_queue,
                              Mode::queue_run};
  return std::find(kAlone.begin(), kAlone.end(), mode) != kAlone.end();
}

}  // namespace

Result<CommandLine> parse_command_line(std::string_view program,
                                       const std::vector<std::string>& words) {
  CommandLine line;
  line.words = words;
  line.program = program;
  program = program.substr(program.rfind('/') + 1);
  for (const ProgramRow& row : kPrograms) {
    if (row.name != program) continue;
    size_t at = 0;
    const Result<void> applied = apply_word(line, {std::string(row.option)}, at);
    if (!applied) return applied.error();
  }
  bool options_end = false;
  for (size_t at = 0; at < words.size();) {
    const bool is_option = !options_end && words[at].size() > 1 && words[at].front() == '-';
    if (!is_option) {
      line.arguments.push_back(words[at++]);
      continue;
    }
    if (words[at] == "--") {
      options_end = true;
      ++at;
      continue;
    }
    const Result<void> applied = apply_word(line, words, at);
    if (!applied) return applied.error();
  }
  if (is_alone(line.mode) && !line.arguments.empty()) {
    return Error(Errc::invalid_argument, "\"" + escape_control(line.arguments.front()) +
                                             "\" has no use with these options");
  }
  if (line.debug) {
    const Result<DebugSelectors> selectors = parse_debug_selectors(line.debug_text);
    if (!selectors) return selectors.error();
    line.debug = *selectors;
  }
  return line;
}

std::string usage() {
  std::string out = "usage: godwit [options] [recipients or message ids]\n\n";
  for (const OptionRow& row : kRows) {
    if (row.help.empty()) continue;
    std::string name = "  " + std::string(row.name);
    if (row.shape == Shape::with_value) name += " VALUE";
    if (row.shape == Shape::with_text) name += " TEXT";
    name.resize(std::max<size_t>(name.size() + 1, 14), ' ');
    out += name + std::string(row.help) + "\n";
  }
  return out;
}

}  // namespace godwit::daemon
