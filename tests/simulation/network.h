// The other side of the network, in memory: hosts that follow a plan of moods over time, and the
// streams to them. Everything happens on the loop's timers.
#pragma once

#include "core/base/random.h"
#include "core/io/connector.h"
#include "tests/simulation/ledger.h"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace godwit::simulation {

// How a host behaves for a while.
enum class Mood : uint8_t {
  well,
  refuses,     // connections
  silent,      // nobody answers a connection
  greets_421,  // and closes
  hangs_up,    // closes instead of greeting
  slow,        // every reply takes 20 s
  greylists,   // 451 to a recipient for the first five minutes
  mail_451,
  rcpt_452,
  data_451,
  dot_451,
  rcpt_550,
  dot_554,
  drops_at_rcpt,     // closes
  drops_at_dot,      // closes without taking the message
  takes_silently,    // takes the message and closes without an answer
  answers_late,      // 250 nine minutes after the dot
  answers_too_late,  // when the client has gone; the message was taken
};
std::string_view to_string(Mood mood) noexcept;

// What became of a connection, as the host tells it.
struct Attempt {
  WallTime began;
  WallTime ended;  // of an attempt that failed before a session: when the client knew
  bool reached = false;
};

struct Host {
  std::string name;
  std::string address;
  std::map<int64_t, Mood> plan;  // from which second since the start on; well before the first
  bool pipelining = true;
  bool chunking = false;
  bool keeps_attempts = false;
  // Filled in.
  std::vector<Attempt> attempts;
  uint64_t connections = 0;
  std::map<std::string, WallTime> greylist;
};

class NetworkWatcher {
 public:
  virtual ~NetworkWatcher() = default;
  virtual void on_event(const Host& host, const std::string& what) = 0;
};

class Network final : public Connector {
 public:
  Network(Loop& loop, Ledger& ledger, uint64_t seed);

  Host& add(const std::string& name, const std::string& address);
  Host* find(const IpAddress& address);
  Mood mood_of(const Host& host) const;
  WallTime started() const noexcept { return started_; }

  Task<Result<std::unique_ptr<ByteStream>>> connect(ConnectOptions options) override;

  // Told of each thing that happens at a host, for life stories; null: nobody.
  NetworkWatcher* watcher = nullptr;

  Loop& loop() noexcept { return loop_; }
  Ledger& ledger() noexcept { return ledger_; }
  Random& random() noexcept { return random_; }
  const std::map<std::string, std::unique_ptr<Host>>& hosts() const noexcept { return hosts_; }
  uint64_t accepted = 0;  // recipients

 private:
  Loop& loop_;
  Ledger& ledger_;
  Random random_;
  WallTime started_;
  std::map<std::string, std::unique_ptr<Host>> hosts_;  // by address
};

}  // namespace godwit::simulation
