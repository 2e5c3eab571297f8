#include "tests/simulation/network.h"

#include "tests/simulation/smtp_peer.h"

#include <array>

namespace godwit::simulation {
namespace {

constexpr std::array<std::string_view, 18> kMoods{
    "well",           "refuses",      "silent",          "greets_421",    "hangs_up",
    "slow",           "greylists",    "mail_451",        "rcpt_452",      "data_451",
    "dot_451",        "rcpt_550",     "dot_554",         "drops_at_rcpt", "drops_at_dot",
    "takes_silently", "answers_late", "answers_too_late"};
constexpr Millis kRoundTrip{40};

}  // namespace

std::string_view to_string(Mood mood) noexcept {
  return kMoods[static_cast<size_t>(mood)];
}

Network::Network(Loop& loop, Ledger& ledger, uint64_t seed)
    : loop_(loop), ledger_(ledger), random_(seed), started_(loop.clock().wall()) {}

Host& Network::add(const std::string& name, const std::string& address) {
  std::unique_ptr<Host>& host = hosts_[address];
  host = std::make_unique<Host>();
  host->name = name;
  host->address = address;
  return *host;
}

Host* Network::find(const IpAddress& address) {
  const auto found = hosts_.find(address.to_string());
  return found == hosts_.end() ? nullptr : found->second.get();
}

Mood Network::mood_of(const Host& host) const {
  const int64_t now = loop_.clock().wall().seconds() - started_.seconds();
  const auto after = host.plan.upper_bound(now);
  return after == host.plan.begin() ? Mood::well : std::prev(after)->second;
}

Task<Result<std::unique_ptr<ByteStream>>> Network::connect(ConnectOptions options) {
  Host* host = find(options.to.address);
  if (host == nullptr) co_return Error(Errc::unreachable, options.to.to_string());
  ++host->connections;
  const size_t at = host->attempts.size();
  if (host->keeps_attempts) host->attempts.push_back({loop_.clock().wall(), {}, false});
  const Mood mood = mood_of(*host);
  Millis wait = kRoundTrip;
  if (mood == Mood::silent) wait = options.timeout;
  Sleep travelling(loop_.timers(), wait);
  co_await travelling;
  const bool fails = mood == Mood::silent || mood == Mood::refuses;
  if (host->keeps_attempts) {
    host->attempts[at].ended = loop_.clock().wall();
    host->attempts[at].reached = !fails;
  }
  if (watcher != nullptr)
    watcher->on_event(*host, fails ? "connect: " + std::string(to_string(mood)) : "connect");
  if (mood == Mood::silent) co_return Error(Errc::timed_out, "scripted");
  if (mood == Mood::refuses) co_return Error(Errc::connection_refused, "scripted");
  co_return Result<std::unique_ptr<ByteStream>>(std::make_unique<SmtpPeer>(*this, *host));
}

}  // namespace godwit::simulation
