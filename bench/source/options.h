// What smtp-source was asked to do.
#pragma once

#include "bench/common/options.h"
#include "bench/common/target.h"

#include <optional>
#include <string>
#include <vector>

namespace godwit::bench {

struct SizeWeight {
  uint64_t bytes = 0;
  uint64_t weight = 1;
};

struct SourceOptions {
  // Postfix's.
  Family family = Family::any;
  bool keep_going = false;          // -A
  bool show_counter = false;        // -c
  uint64_t connect_tries = 1;       // -C
  bool reuse = false;               // -d
  std::string sender;               // -f; without it foo@ the name of this machine
  std::string message_file;         // -F
  std::optional<uint64_t> length;   // -l
  bool lmtp = false;                // -L
  uint64_t messages = 1;            // -m
  bool messages_given = false;      // so that --duration alone has no bound on their number
  std::string hello;                // -M
  bool number_recipients = false;   // -N
  bool old_mode = false;            // -o
  uint64_t recipients = 1;          // -r
  int64_t random_pause_micros = 0;  // -R
  uint64_t sessions = 1;            // -s
  std::string subject;              // -S
  std::string recipient;            // -t
  uint64_t window = 0;              // -T
  bool verbose = false;             // -v
  int64_t pause_micros = 0;         // -w
  // Ours.
  uint64_t pipeline = 1;  // commands that may wait for their replies
  bool bdat = false;
  uint64_t bdat_chunk = 0;  // bytes; 0 for the whole message in one
  std::string corpus;       // folder
  std::vector<SizeWeight> sizes;
  double rate = 0;  // messages a second by schedule; 0 for as fast as answered
  int64_t warm_up_micros = 0;
  int64_t duration_micros = 0;  // 0 for none
  int64_t hold_micros = 0;      // open sessions, say nothing for so long, and leave
  int64_t time_limit_micros = 600'000'000;
  int64_t reply_timeout_micros = 300'000'000;
  std::vector<IpAddress> from;    // local addresses, one session after the other
  std::optional<Endpoint> proxy;  // client that a PROXY v2 preamble names
  std::string ledger;
  std::string json;
  bool tls = false;  // STARTTLS in every session
  bool quiet = false;
  bool progress = false;
  bool no_token = false;
  uint64_t seed = 1;
  bool allow_non_loopback = false;
  bool help = false;

  TargetText target;
};

// Fills everything, and applies the rules between options.
Result<SourceOptions> parse_source_options(std::span<const std::string_view> arguments);
std::string source_help();

// "4096:90,64k:10": sizes in bytes with weights; a weight may be left out.
Result<std::vector<SizeWeight>> parse_sizes(std::string_view text);

}  // namespace godwit::bench
