#include "delivery/queue/log_lines.h"

#include "core/base/ascii.h"
#include "tls/facts.h"

#include <array>
#include <cerrno>
#include <cstdio>

namespace godwit::delivery {
namespace {

using config::LogSelector;
using config::LogSelectors;

void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out += ' ';
  out += name;
  out += '=';
  out += value;
}

// "local_part <address>", or the address alone.
void append_address(std::string& out, const DeliveryLineFacts& facts) {
  if (facts.local_part.empty()) {
    out += facts.address;
    return;
  }
  out += facts.local_part;
  out += " <";
  out += facts.address;
  out += '>';
}

// What waits has neither sender nor return path, what has no transport no return path.
void append_common(std::string& out, const DeliveryLineFacts& facts, const LogSelectors& selectors,
                   bool shows_paths) {
  append_address(out, facts);
  if (shows_paths && selectors.has(LogSelector::sender_on_delivery)) {
    out += " F=<";
    out += facts.sender;
    out += '>';
  }
  append_field(out, "Q", facts.queue);
  if (shows_paths && !facts.transport.empty() &&
      selectors.has(LogSelector::return_path_on_delivery)) {
    out += " P=<";
    out += facts.return_path;
    out += '>';
  }
  append_field(out, "R", facts.router);
  append_field(out, "T", facts.transport);
}

// Only what was delivered has a time in the queue.
void append_delivery_time(std::string& out, const DeliveryLineFacts& facts,
                          const LogSelectors& selectors) {
  if (selectors.has(LogSelector::deliver_time))
    append_field(out, "DT",
                 format_duration(facts.delivery_time, selectors.has(LogSelector::millisec)));
}

}  // namespace

Millis queue_time(const Envelope& envelope, WallTime now, const LogSelectors& selectors) {
  const Millis after = now - envelope.received;
  if (selectors.has(LogSelector::queue_time_exclusive)) return after;
  return Millis{after.count + static_cast<int64_t>(envelope.receive_millis)};
}

std::string format_duration(Millis duration, bool with_millis) {
  if (!with_millis) return format_interval({duration.count / 1000});
  if (duration.count >= 60'000) return format_interval({duration.count / 1000});
  std::array<char, 32> text;
  const int n = std::snprintf(text.data(), text.size(), "%lld.%03llds",
                              static_cast<long long>(duration.count / 1000),
                              static_cast<long long>(duration.count % 1000));
  return std::string(text.data(), static_cast<size_t>(n));
}

std::string host_field(const DeliveryOutcome& outcome, const LogSelectors& selectors) {
  if (outcome.remote == nullptr) return {};
  std::string out = "H=" + outcome.remote->host_name;
  if (outcome.remote->secure && selectors.has(LogSelector::dnssec)) out += " DS";
  out += " [" + outcome.remote->endpoint.address.to_string() + "]";
  if (selectors.has(LogSelector::outgoing_port))
    out += ":" + std::to_string(outcome.remote->endpoint.port);
  if (outcome.remote->proxy && selectors.has(LogSelector::proxy)) {
    out += " PRX=[" + outcome.remote->proxy->address.to_string() + "]";
    if (selectors.has(LogSelector::outgoing_port))
      out += ":" + std::to_string(outcome.remote->proxy->port);
  }
  if (outcome.remote->local && selectors.has(LogSelector::incoming_interface) &&
      selectors.has(LogSelector::outgoing_interface)) {
    out += " I=[" + outcome.remote->local->address.to_string() + "]";
    if (selectors.has(LogSelector::outgoing_port))
      out += ":" + std::to_string(outcome.remote->local->port);
  }
  out += fast_open_field(outcome.remote->fast_open);
  return out;
}

std::string_view fast_open_field(FastOpen fast_open) noexcept {
  switch (fast_open) {
    case FastOpen::no:
      break;
    case FastOpen::used:
      return " TFO";
    case FastOpen::with_data:
      return " TFO*";
  }
  return "";
}

std::string tls_fields(const acl::TlsFacts& tls, const LogSelectors& selectors, TlsLine line) {
  std::string out;
  if (tls.cipher.empty()) return out;
  if (selectors.has(LogSelector::tls_cipher)) {
    out += " X=" + tls.cipher;
    const bool resumed = (tls.resumption & tls::kResumptionUsed) != 0;
    if (resumed && selectors.has(LogSelector::tls_resumption)) out += '*';
  }
  if (selectors.has(LogSelector::tls_certificate_verified))
    out += tls.dane ? " CV=dane" : tls.certificate_verified ? " CV=yes" : " CV=no";
  if (selectors.has(LogSelector::tls_peerdn) && !tls.peer_dn.empty())
    out += " DN=\"" + escape_control(tls.peer_dn) + "\"";
  if (line == TlsLine::inbound && selectors.has(LogSelector::tls_sni) && !tls.sni.empty())
    out += " SNI=\"" + escape_control(tls.sni) + "\"";
  return out;
}

namespace {

void append_steps(std::string& out, const DeliveryOutcome& outcome, const LogSelectors& selectors) {
  if (selectors.has(LogSelector::protocol_detail) && !outcome.steps.empty())
    append_field(out, "PS", outcome.steps);
}

}  // namespace

std::string delivered_line(const DeliveryLineFacts& facts, const DeliveryOutcome& outcome,
                           bool is_first, const LogSelectors& selectors) {
  std::string out;
  out.reserve(200);
  out += is_first ? "=> " : "-> ";
  append_common(out, facts, selectors, true);
  if (selectors.has(LogSelector::delivery_size))
    append_field(out, "S", std::to_string(facts.message_bytes));
  append_field(out, "H", facts.host);
  append_field(out, "ST", outcome.shadow);
  const std::string host = host_field(outcome, selectors);
  if (!host.empty()) {
    out += ' ';
    out += host;
  }
  if (outcome.remote != nullptr)
    out += tls_fields(outcome.remote->tls, selectors, TlsLine::outbound);
  if (outcome.pipelined && selectors.has(LogSelector::pipelining))
    out += outcome.early ? " L*" : " L";
  if (outcome.prdr) out += " PRDR";
  if (outcome.chunked) out += " K";
  append_steps(out, outcome, selectors);
  if (selectors.has(LogSelector::smtp_confirmation) && !outcome.confirmation.empty()) {
    out += " C=\"";
    for (char c : outcome.confirmation) {
      if (c == '"' || (c == '\\')) out += '\\';
      out += c;
    }
    out += '"';
  }
  if (selectors.has(LogSelector::queue_time))
    append_field(out, "QT",
                 format_duration(facts.queue_time, selectors.has(LogSelector::millisec)));
  append_delivery_time(out, facts, selectors);
  return out;
}

std::string host_failure_line(const DeliveryOutcome& outcome, const LogSelectors& selectors) {
  const std::string host = host_field(outcome, selectors);
  if (outcome.unreached) return host + " " + outcome.text;
  return host + ": " + outcome.text +
         (outcome.error_number == ETIMEDOUT ? ": Connection timed out" : "");
}

std::string deferred_line(const DeliveryLineFacts& facts, const DeliveryOutcome& outcome,
                          const LogSelectors& selectors) {
  std::string out = "== ";
  append_common(out, facts, selectors, false);
  if (outcome.error_number == kErrorRoutingRetry) out += " routing";
  out += " defer (";
  out += std::to_string(outcome.error_number);
  out += ')';
  if (outcome.remote != nullptr && !outcome.unreached) {
    if (outcome.error_number == ETIMEDOUT) out += ": Connection timed out";
    out += ' ';
    out += host_field(outcome, selectors);
  }
  if (!outcome.unreached) append_delivery_time(out, facts, selectors);
  if (!outcome.text.empty()) {
    out += ": ";
    out += outcome.text;
  }
  if (outcome.unreached) append_delivery_time(out, facts, selectors);
  return out;
}

std::string failed_line(const DeliveryLineFacts& facts, const DeliveryOutcome& outcome,
                        const LogSelectors& selectors) {
  std::string out = "** ";
  append_common(out, facts, selectors, true);
  const std::string host = host_field(outcome, selectors);
  if (!host.empty()) {
    out += ' ';
    out += host;
  }
  append_steps(out, outcome, selectors);
  if (!outcome.text.empty()) {
    out += ": ";
    out += outcome.text;
  }
  append_delivery_time(out, facts, selectors);
  return out;
}

}  // namespace godwit::delivery
