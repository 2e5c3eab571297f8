// SmtpPeer: the client's end of a connection to a simulated host, with the host's session behind
// it. What the client writes reaches the session at once; replies come after a time.
#pragma once

#include "tests/simulation/network.h"

#include <deque>
#include <string>
#include <vector>

namespace godwit::simulation {

class SmtpPeer final : public ByteStream {
 public:
  SmtpPeer(Network& network, Host& host);
  ~SmtpPeer() override;

  void set_deadline(Instant deadline) override;
  void close() noexcept override;
  bool has_input() const override { return !incoming_.empty(); }

 protected:
  bool try_read() override;
  void wait_readable() override {}
  bool try_write(std::span<const std::string_view> parts) override;

 private:
  // Bytes on their way to the client, or the end of the stream.
  struct Flight {
    Instant due;
    std::string bytes;
    bool is_end = false;
    std::vector<Fate*> tells;  // whose acceptance the client learns with it
  };

  void on_arrival() noexcept;
  void on_deadline() noexcept;
  void reply(std::string text, Millis delay = {}, std::vector<Fate*> tells = {});
  void hang_up();

  // The session.
  void receive();
  bool take_data();
  bool take_chunk();
  void on_line(std::string_view line);
  void on_mail(std::string_view line);
  void on_rcpt(std::string_view line);
  void on_data();
  void on_message(std::string_view text);
  void forget_transaction();
  void event(const std::string& what);

  Network& network_;
  Host& host_;
  Mood mood_;
  TimerNode arrival_;
  TimerNode deadline_timer_;
  std::deque<Flight> flights_;
  std::string incoming_;
  std::string handed_;
  bool ended_ = false;    // the client has seen, or will see, the end
  bool gone_ = false;     // the host listens no more
  bool closed_ = false;   // by the client
  std::string outgoing_;  // not yet understood by the session
  std::string sender_;
  std::vector<std::string> recipients_;
  std::string chunks_;
  size_t chunk_left_ = 0;
  bool chunk_is_last_ = false;
  bool in_chunk_ = false;
  bool in_data_ = false;
};

}  // namespace godwit::simulation
