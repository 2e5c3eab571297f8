#include "dns/upstream.h"

#include "dns/limits.h"

#include <sys/random.h>

#include <algorithm>
#include <utility>

namespace godwit::dns {

// One socket and the exchanges that wait on it.
class UdpChannel final : UdpHandler {
 public:
  static Result<std::unique_ptr<UdpChannel>> open(Loop& loop, Upstream& upstream) {
    std::unique_ptr<UdpChannel> channel(new UdpChannel(upstream));
    Result<std::unique_ptr<UdpSocket>> socket =
        UdpSocket::connect(loop, upstream.endpoint(), *channel);
    if (!socket) return socket.error();
    channel->socket_ = std::move(*socket);
    return channel;
  }

  bool is_used_up() const noexcept { return used_ >= kQueriesPerSocketMax; }
  size_t waiting() const noexcept { return waiting_.size(); }

  Result<void> send(Exchange& exchange, const Question& question, const QueryForm& form,
                    QueryIds& ids) {
    uint16_t id = ids.next();
    while (find(id) != waiting_.end()) id = ids.next();
    ++used_;
    Result<void> sent = socket_->send(encode_query(id, question, form));
    if (!sent) {
      if (is_used_up() && waiting_.empty()) upstream_.take(*this);
      return sent;
    }
    waiting_.emplace_back(id, &exchange);
    exchange.channel_ = this;
    exchange.id_ = id;
    return {};
  }

  void forget(uint16_t id) noexcept {
    const auto found = find(id);
    if (found != waiting_.end()) erase(found);
    if (is_used_up() && waiting_.empty()) upstream_.take(*this);
  }
  // The sockets close; nobody hears anything.
  void abandon() noexcept {
    for (const auto& [id, exchange] : waiting_) exchange->channel_ = nullptr;
    waiting_.clear();
  }

 private:
  using Waiting = std::vector<std::pair<uint16_t, Exchange*>>;

  explicit UdpChannel(Upstream& upstream) : upstream_(upstream) {}

  Waiting::iterator find(uint16_t id) noexcept {
    return std::find_if(waiting_.begin(), waiting_.end(),
                        [id](const auto& row) { return row.first == id; });
  }
  void erase(Waiting::iterator at) noexcept {
    *at = waiting_.back();
    waiting_.pop_back();
  }

  void on_datagram(UdpSocket&, std::string_view bytes) noexcept override {
    const std::optional<uint16_t> id = response_id(bytes);
    if (!id) return;
    const auto found = find(*id);
    if (found == waiting_.end()) return;
    // It goes on waiting until the handler ends it: who guessed the id alone changes nothing.
    Exchange& exchange = *found->second;
    upstream_.handler_.on_response(exchange, bytes);
  }

  void on_socket_error(UdpSocket&, Error error) noexcept override {
    // The handler may destroy exchanges, this channel's place in the list, even the upstream's
    // other sockets; it cannot destroy what is held here.
    const std::unique_ptr<UdpChannel> self = upstream_.take(*this);
    if (self == nullptr) return;
    ExchangeHandler& handler = upstream_.handler_;
    while (!waiting_.empty()) {
      Exchange& exchange = *waiting_.back().second;
      waiting_.pop_back();
      exchange.channel_ = nullptr;
      handler.on_refused(exchange, error);
    }
  }

  Upstream& upstream_;
  std::unique_ptr<UdpSocket> socket_;
  Waiting waiting_;
  size_t used_ = 0;
};

Exchange::~Exchange() {
  if (channel_ != nullptr) channel_->forget(id_);
}

uint16_t QueryIds::next() noexcept {
  if (left_ == 0) {
    const ssize_t count = ::getrandom(ids_.data(), sizeof ids_, 0);
    GODWIT_ASSERT(count == static_cast<ssize_t>(sizeof ids_));
    left_ = ids_.size();
  }
  return ids_[--left_];
}

Upstream::Upstream(Loop& loop, UpstreamAddress address, QueryIds& ids, ExchangeHandler& handler)
    : loop_(loop),
      address_(address),
      ids_(ids),
      handler_(handler),
      name_(address.endpoint.to_string()) {}

Upstream::~Upstream() {
  close();
}

void Upstream::close() noexcept {
  for (const auto& channel : channels_) channel->abandon();
  channels_.clear();
}

Result<void> Upstream::send(Exchange& exchange, const Question& question, QueryForm form) {
  const Result<UdpChannel*> to = channel();
  if (!to) return to.error();
  exchange.upstream = this;
  exchange.sent_at = loop_.clock().now();
  exchange.with_edns = form.edns;
  return (*to)->send(exchange, question, form, ids_);
}

// The newest socket until it is used up, then another; where there can be none, the one with the
// fewest questions.
Result<UdpChannel*> Upstream::channel() {
  if (!channels_.empty() && !channels_.back()->is_used_up()) return channels_.back().get();
  if (channels_.size() < kSocketsPerUpstreamMax) {
    Result<std::unique_ptr<UdpChannel>> opened = UdpChannel::open(loop_, *this);
    if (opened) {
      channels_.push_back(std::move(*opened));
      return channels_.back().get();
    }
    if (channels_.empty()) return opened.error();
  }
  const auto least =
      std::min_element(channels_.begin(), channels_.end(),
                       [](const auto& a, const auto& b) { return a->waiting() < b->waiting(); });
  return least->get();
}

std::unique_ptr<UdpChannel> Upstream::take(UdpChannel& channel) noexcept {
  const auto found = std::find_if(channels_.begin(), channels_.end(),
                                  [&](const auto& owned) { return owned.get() == &channel; });
  if (found == channels_.end()) return nullptr;
  std::unique_ptr<UdpChannel> taken = std::move(*found);
  channels_.erase(found);
  return taken;
}

void Upstream::note_response(Instant now) noexcept {
  last_response_ = now;
  silences_ = 0;
  set_aside_for_ = {0};
  set_aside_until_ = Instant{INT64_MIN};
}

void Upstream::note_silence(Instant sent_at, Instant now) noexcept {
  // It answered others meanwhile: the name is slow, not the server.
  if (last_response_ >= sent_at) return;
  if (++silences_ < kSilencesUntilSetAside) return;
  if (is_set_aside(now)) return;
  set_aside_for_ =
      Millis{std::clamp(set_aside_for_.count * 2, kSetAsideFirst.count, kSetAsideMax.count)};
  set_aside_until_ = now + set_aside_for_;
}

void Upstream::note_refusal(Instant now) noexcept {
  if (is_set_aside(now)) return;
  set_aside_for_ = std::max(set_aside_for_, kSetAsideRefused);
  set_aside_until_ = now + kSetAsideRefused;
}

void Upstream::note_probe(Instant now) noexcept {
  set_aside_for_ = Millis{std::min(set_aside_for_.count * 2, kSetAsideMax.count)};
  set_aside_until_ = now + set_aside_for_;
}

void Upstream::note_no_edns(Instant now) noexcept {
  without_edns_until_ = now + kWithoutEdns;
}

}  // namespace godwit::dns
