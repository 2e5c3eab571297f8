// What smtp-sink was asked to do.
#pragma once

#include "bench/common/options.h"
#include "bench/common/target.h"

#include <array>
#include <string>

namespace godwit::bench {

// What a client may say, and the two moments that the fault options name like commands.
enum class Verb : uint8_t {
  connect,
  helo,
  ehlo,
  lhlo,
  mail,
  rcpt,
  data,
  bdat,
  end_of_message,
  rset,
  starttls,
  noop,
  vrfy,
  auth,
  xclient,
  xforward,
  quit,
  unknown,
};
inline constexpr size_t kVerbs = static_cast<size_t>(Verb::unknown) + 1;

// The verb of that name in any case ("." is end_of_message), or unknown.
Verb verb_of(std::string_view name) noexcept;

class VerbSet {
 public:
  void add(Verb verb) noexcept { bits_ |= 1U << static_cast<unsigned>(verb); }
  bool has(Verb verb) const noexcept { return (bits_ >> static_cast<unsigned>(verb) & 1U) != 0; }
  bool is_empty() const noexcept { return bits_ == 0; }

 private:
  uint32_t bits_ = 0;
};

struct VerbDelay {
  int64_t micros = 0;
  uint64_t odds = 0;  // per cent for once more; 0 for exactly once
};

struct SinkOptions {
  // Postfix's: what is not announced, faults, delays, dumps, limits.
  Family family = Family::any;
  bool hide_8bitmime = false;                                  // -8
  bool hide_auth = false;                                      // -a
  bool hide_xclient = false;                                   // -C
  bool hide_esmtp = false;                                     // -e
  bool hide_enhanced = false;                                  // -E
  bool hide_xforward = false;                                  // -F
  bool hide_dsn = false;                                       // -N
  bool hide_pipelining = false;                                // -p
  bool pose_as_pix = false;                                    // -P
  std::string soft_reply = "450 4.3.0 Error: command failed";  // -b
  std::string hard_reply = "500 5.3.0 Error: command failed";  // -B
  VerbSet hard;                                                // -f
  VerbSet soft;                                                // -r
  VerbSet drop_silently;                                       // -q
  VerbSet drop_with_421;                                       // -Q
  int64_t abort_after_data_micros = -1;                        // -A
  std::array<VerbDelay, kVerbs> delays{};                      // -w, -W
  int64_t stall_after_data_micros = 0;                         // -H
  std::string dump_file;                                       // -d, one message a file
  std::string dump_append;                                     // -D
  std::string dump_start;                                      // -S
  uint64_t sessions_at_once = 256;                             // -m
  uint64_t messages = 0;                                       // -M; 0 for no end
  uint64_t sessions = 0;                                       // -n
  int64_t timeout_micros = 100'000'000;                        // -t
  bool show_counters = false;                                  // -c
  std::string hostname = "smtp-sink";                          // -h
  bool lmtp = false;                                           // -L
  std::string root;                                            // -R
  std::string user;                                            // -u
  VerbSet syslog;                                              // -s
  uint64_t window = 0;                                         // -T
  bool verbose = false;                                        // -v
  // Ours.
  bool hide_chunking = false;
  bool hide_size = false;
  bool hide_smtputf8 = false;
  bool tls = false;               // offers STARTTLS
  int64_t link_delay_micros = 0;  // of every byte, in each direction
  uint64_t size_max = 0;          // bytes; 0 announces SIZE without a limit
  int64_t time_limit_micros = 3'600'000'000;
  int64_t idle_exit_micros = 0;  // ends so long after the last message; 0 for never
  std::string ledger;
  std::string json;
  bool progress = false;
  uint64_t seed = 1;
  bool allow_non_loopback = false;
  bool help = false;

  TargetText listen;
  int backlog = 512;

  bool dumps() const noexcept { return !dump_file.empty() || !dump_append.empty(); }
};

Result<SinkOptions> parse_sink_options(std::span<const std::string_view> arguments);
std::string sink_help();

}  // namespace godwit::bench
