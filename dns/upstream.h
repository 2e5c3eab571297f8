// Upstream: one recursive server over UDP. Finds the exchange to which a datagram belongs, spreads
// questions over sockets with random ports and ids, and remembers how the server behaves. What to
// ask again, and whom, is the resolver's business. One thread; owned by the resolver.
#pragma once

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/io/loop.h"
#include "core/io/udp_socket.h"
#include "dns/wire/message.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace godwit::dns {

class Upstream;
class UdpChannel;
struct Lookup;  // of the resolver

struct UpstreamAddress {
  Endpoint endpoint;
  bool trusted = false;  // its AD bit is believed
};

// One question sent over UDP to one upstream, until it is answered or ended.
class Exchange {
 public:
  explicit Exchange(Lookup& owner) : lookup(owner) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

  Lookup& lookup;
  Upstream* upstream = nullptr;
  Instant sent_at;
  bool with_edns = false;

 private:
  friend class Upstream;
  friend class UdpChannel;
  UdpChannel* channel_ = nullptr;  // null: not waiting
  uint16_t id_ = 0;
};

// What the resolver hears. The exchange is not waiting any more, and may be destroyed.
class ExchangeHandler {
 public:
  virtual void on_response(Exchange& exchange, std::string_view message) noexcept = 0;
  virtual void on_refused(Exchange& exchange, const Error& error) noexcept = 0;

 protected:
  ~ExchangeHandler() = default;
};

// Ids that nobody can guess.
class QueryIds {
 public:
  uint16_t next() noexcept;

 private:
  std::array<uint16_t, 256> ids_{};
  size_t left_ = 0;
};

class Upstream {
 public:
  Upstream(Loop& loop, UpstreamAddress address, QueryIds& ids, ExchangeHandler& handler);
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;
  ~Upstream();

  const Endpoint& endpoint() const noexcept { return address_.endpoint; }
  bool is_trusted() const noexcept { return address_.trusted; }
  const std::string& name() const noexcept { return name_; }

  // Sends; `exchange` waits then, until the handler hears of it or it is destroyed.
  Result<void> send(Exchange& exchange, const Question& question, QueryForm form);
  // Closes every socket; exchanges that wait hear nothing.
  void close() noexcept;

  // --- Health ---
  bool is_set_aside(Instant now) const noexcept { return set_aside_until_ > now; }
  // True where it was set aside and nothing was heard since: it is asked last.
  bool is_doubted() const noexcept { return set_aside_for_.count > 0; }
  void note_response(Instant now) noexcept;
  // `sent_at`: of the exchange that got no answer.
  void note_silence(Instant sent_at, Instant now) noexcept;
  void note_refusal(Instant now) noexcept;
  // One question goes there to see whether it is back.
  void note_probe(Instant now) noexcept;
  bool takes_edns(Instant now) const noexcept { return without_edns_until_ <= now; }
  void note_no_edns(Instant now) noexcept;
  size_t sockets() const noexcept { return channels_.size(); }

 private:
  friend class UdpChannel;
  friend class Exchange;

  Result<UdpChannel*> channel();
  // Takes it out of the list; null where it is out already.
  std::unique_ptr<UdpChannel> take(UdpChannel& channel) noexcept;

  Loop& loop_;
  UpstreamAddress address_;
  QueryIds& ids_;
  ExchangeHandler& handler_;
  std::string name_;
  std::vector<std::unique_ptr<UdpChannel>> channels_;  // the newest last
  Instant set_aside_until_{INT64_MIN};
  Millis set_aside_for_{0};
  int silences_ = 0;
  Instant last_response_{INT64_MIN};
  Instant without_edns_until_{INT64_MIN};
};

}  // namespace godwit::dns
