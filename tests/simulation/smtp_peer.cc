#include "tests/simulation/smtp_peer.h"

#include "core/base/ascii.h"

#include <utility>

namespace godwit::simulation {
namespace {

constexpr Millis kRoundTrip{40};
constexpr Millis kSlowReply{20'000};
constexpr Seconds kLate{9 * 60};
constexpr Seconds kTooLate{11 * 60};  // final_timeout is 10 minutes
constexpr Seconds kGreylisted{5 * 60};

std::string address_in(std::string_view line) {
  const size_t open = line.find('<');
  const size_t end = line.find('>', open);
  return std::string(line.substr(open + 1, end - open - 1));
}

}  // namespace

SmtpPeer::SmtpPeer(Network& network, Host& host)
    : network_(network),
      host_(host),
      mood_(network.mood_of(host)),
      arrival_([](void* self) noexcept { static_cast<SmtpPeer*>(self)->on_arrival(); }, this),
      deadline_timer_([](void* self) noexcept { static_cast<SmtpPeer*>(self)->on_deadline(); },
                      this) {
  if (mood_ == Mood::greets_421) {
    reply("421 " + host.name + " too busy\r\n");
    hang_up();
  } else if (mood_ == Mood::hangs_up) {
    hang_up();
  } else {
    reply("220 " + host.name + " ESMTP\r\n");
  }
}

SmtpPeer::~SmtpPeer() = default;

void SmtpPeer::event(const std::string& what) {
  if (network_.watcher != nullptr) network_.watcher->on_event(host_, what);
}

// --- The stream ----------------------------------------------------------------------------------

void SmtpPeer::set_deadline(Instant deadline) {
  if (closed_) return;
  if (deadline == Instant::never()) {
    deadline_timer_.disarm();
  } else {
    network_.loop().timers().set(deadline_timer_, deadline);
  }
}

void SmtpPeer::on_deadline() noexcept {
  set_read_error(Error(Errc::timed_out, "nothing was received"));
  resume_reader();
}

void SmtpPeer::close() noexcept {
  if (closed_) return;
  closed_ = true;
  arrival_.disarm();
  deadline_timer_.disarm();
  set_read_error(Error(Errc::cancelled, "the connection was closed here"));
  resume_reader();
}

void SmtpPeer::reply(std::string text, Millis delay, std::vector<Fate*> tells) {
  if (gone_) return;
  if (mood_ == Mood::slow) delay.count += kSlowReply.count;
  Instant due = network_.loop().clock().now() + kRoundTrip + delay;
  if (!flights_.empty() && flights_.back().due > due) due = flights_.back().due;
  flights_.push_back({due, std::move(text), false, std::move(tells)});
  if (!closed_) network_.loop().timers().set(arrival_, flights_.front().due);
}

void SmtpPeer::hang_up() {
  if (gone_) return;
  reply("");
  flights_.back().is_end = true;
  gone_ = true;
}

void SmtpPeer::on_arrival() noexcept {
  const Instant now = network_.loop().clock().now();
  while (!flights_.empty() && flights_.front().due <= now) {
    Flight flight = std::move(flights_.front());
    flights_.pop_front();
    incoming_ += flight.bytes;
    ended_ = ended_ || flight.is_end;
    for (Fate* fate : flight.tells) --fate->untold;
  }
  if (!flights_.empty()) network_.loop().timers().set(arrival_, flights_.front().due);
  if (!is_read_awaited()) return;
  try_read();
  resume_reader();  // may destroy the stream
}

bool SmtpPeer::try_read() {
  if (incoming_.empty()) return has_read_error() || reads_interrupted() || ended_;
  handed_ = std::exchange(incoming_, {});
  set_read(handed_);
  return true;
}

bool SmtpPeer::try_write(std::span<const std::string_view> parts) {
  if (closed_) {
    set_write_error(Error(Errc::cancelled, "the connection was closed here"));
    return true;
  }
  if (gone_ && ended_) {
    set_write_error(Error(Errc::connection_reset, "scripted"));
    return true;
  }
  for (std::string_view part : parts) outgoing_ += part;
  receive();
  return true;
}

// --- The session ---------------------------------------------------------------------------------

void SmtpPeer::receive() {
  for (;;) {
    if (gone_) {
      outgoing_.clear();
      return;
    }
    if (in_data_) {
      if (!take_data()) return;
      continue;
    }
    if (in_chunk_) {
      if (!take_chunk()) return;
      continue;
    }
    const size_t end = outgoing_.find("\r\n");
    if (end == std::string::npos) return;
    const std::string line = outgoing_.substr(0, end);
    outgoing_.erase(0, end + 2);
    on_line(line);
  }
}

bool SmtpPeer::take_data() {
  const bool is_empty = outgoing_.starts_with(".\r\n");
  const size_t end = is_empty ? 0 : outgoing_.find("\r\n.\r\n");
  if (end == std::string::npos) return false;
  const std::string text = outgoing_.substr(0, end) + "\r\n";
  outgoing_.erase(0, end + (is_empty ? 3 : 5));
  in_data_ = false;
  on_message(text);
  return true;
}

bool SmtpPeer::take_chunk() {
  const size_t taken = std::min(chunk_left_, outgoing_.size());
  chunks_ += outgoing_.substr(0, taken);
  outgoing_.erase(0, taken);
  chunk_left_ -= taken;
  if (chunk_left_ > 0) return false;
  in_chunk_ = false;
  if (recipients_.empty()) {
    reply("503 no recipients\r\n");
    return true;
  }
  if (!chunk_is_last_) {
    reply("250 more\r\n");
    return true;
  }
  on_message(std::exchange(chunks_, {}));
  return true;
}

void SmtpPeer::on_line(std::string_view line) {
  if (line.starts_with("EHLO")) {
    std::string text = "250-" + host_.name + "\r\n250-SIZE 10000000\r\n";
    if (host_.pipelining) text += "250-PIPELINING\r\n";
    if (host_.chunking) text += "250-CHUNKING\r\n";
    reply(text + "250 8BITMIME\r\n");
  } else if (line.starts_with("MAIL")) {
    on_mail(line);
  } else if (line.starts_with("RCPT")) {
    on_rcpt(line);
  } else if (line.starts_with("DATA")) {
    on_data();
  } else if (line.starts_with("BDAT")) {
    const std::string_view size = line.substr(5);
    chunk_left_ = static_cast<size_t>(parse_decimal(size.substr(0, size.find(' '))).value_or(0));
    chunk_is_last_ = line.ends_with("LAST");
    in_chunk_ = true;
  } else if (line.starts_with("RSET")) {
    forget_transaction();
    reply("250 forgotten\r\n");
  } else if (line.starts_with("QUIT")) {
    reply("221 bye\r\n");
    hang_up();
  } else {
    reply("500 what?\r\n");
  }
}

void SmtpPeer::forget_transaction() {
  sender_.clear();
  recipients_.clear();
  chunks_.clear();
}

void SmtpPeer::on_mail(std::string_view line) {
  mood_ = network_.mood_of(host_);
  forget_transaction();
  sender_ = address_in(line);
  if (mood_ == Mood::mail_451) {
    event("MAIL: 451");
    reply("451 not now\r\n");
    return;
  }
  reply("250 sender ok\r\n");
}

void SmtpPeer::on_rcpt(std::string_view line) {
  const std::string address = address_in(line);
  if (mood_ == Mood::mail_451) {
    reply("503 no sender\r\n");
  } else if (mood_ == Mood::rcpt_452) {
    event("RCPT: 452");
    reply("452 mailbox full\r\n");
  } else if (mood_ == Mood::rcpt_550) {
    event("RCPT: 550");
    reply("550 no such user\r\n");
  } else if (mood_ == Mood::drops_at_rcpt) {
    event("RCPT: closes");
    hang_up();
  } else {
    const WallTime now = network_.loop().clock().wall();
    const bool is_grey = mood_ == Mood::greylists &&
                         now - host_.greylist.emplace(sender_ + "\n" + address, now).first->second <
                             Millis(kGreylisted);
    if (is_grey) {
      event("RCPT: 451");
      reply("451 come back later\r\n");
      return;
    }
    recipients_.push_back(address);
    reply("250 recipient ok\r\n");
  }
}

void SmtpPeer::on_data() {
  if (recipients_.empty()) {
    reply("503 no recipients\r\n");
  } else if (mood_ == Mood::data_451) {
    event("DATA: 451");
    reply("451 not now\r\n");
  } else {
    in_data_ = true;
    reply("354 go on\r\n");
  }
}

void SmtpPeer::on_message(std::string_view text) {
  const std::vector<std::string> recipients = std::exchange(recipients_, {});
  forget_transaction();
  if (mood_ == Mood::dot_451 || mood_ == Mood::data_451) {
    event("dot: 451");
    reply("451 not now\r\n");
    return;
  }
  if (mood_ == Mood::dot_554) {
    event("dot: 554");
    reply("554 not wanted\r\n");
    return;
  }
  if (mood_ == Mood::drops_at_dot) {
    event("dot: closes");
    hang_up();
    return;
  }
  std::vector<Fate*> tells;
  for (const std::string& recipient : recipients) {
    ++network_.accepted;
    Fate* fate = network_.ledger().taken(text, recipient, network_.loop().clock().wall());
    if (fate == nullptr) continue;
    ++fate->untold;
    tells.push_back(fate);
  }
  if (mood_ == Mood::takes_silently) {
    event("dot: takes it, closes");
    hang_up();
    return;
  }
  Millis delay{0};
  if (mood_ == Mood::answers_late) delay = kLate;
  if (mood_ == Mood::answers_too_late) delay = kTooLate;
  event(delay.count == 0 ? "dot: 250" : "dot: 250, late");
  reply("250 taken\r\n", delay, std::move(tells));
}

}  // namespace godwit::simulation
