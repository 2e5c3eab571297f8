// The text of delivery lines in the main log, after time and id (EXIM.md 4.2).
#pragma once

#include "core/config/log_selector.h"
#include "core/io/fast_open.h"
#include "delivery/transport/outcome.h"
#include "protocol/spool_format/envelope.h"

#include <string>
#include <string_view>

namespace godwit::delivery {

struct DeliveryLineFacts {
  std::string_view address;
  std::string_view local_part;   // local deliveries show it before <address>; empty for remote ones
  std::string_view queue;        // Q=: of a named queue
  std::string_view sender;       // F= with +sender_on_delivery
  std::string_view return_path;  // P= with +return_path_on_delivery
  std::string_view router;
  std::string_view transport;
  std::string_view host;  // H= of a local delivery; empty: none
  uint64_t message_bytes = 0;
  Millis queue_time;     // QT= with +queue_time
  Millis delivery_time;  // DT= with +deliver_time
};

// " TFO", " TFO*" or nothing.
std::string_view fast_open_field(FastOpen fast_open) noexcept;

// "=> a@b R=r T=t H=h [ip] C="..."", or "->" for further recipients of a transaction.
std::string delivered_line(const DeliveryLineFacts& facts, const DeliveryOutcome& outcome,
                           bool is_first, const config::LogSelectors& selectors);
// "== a@b R=r T=t defer (N) H=name [ip]: text"; a host that was not reached is not named
std::string deferred_line(const DeliveryLineFacts& facts, const DeliveryOutcome& outcome,
                          const config::LogSelectors& selectors);
// "** a@b R=r T=t H=...: text"
std::string failed_line(const DeliveryLineFacts& facts, const DeliveryOutcome& outcome,
                        const config::LogSelectors& selectors);
// "H=name [ip]", with the port where selected; empty without a remote host.
std::string host_field(const DeliveryOutcome& outcome, const config::LogSelectors& selectors);
// A host that did not take a message, where another may: "H=name [address]: why".
std::string host_failure_line(const DeliveryOutcome& outcome,
                              const config::LogSelectors& selectors);
// " X=TLS1.3:... CV=yes DN="..." SNI="..."", as far as selected; empty without TLS. SNI is a fact
// of arrivals.
enum class TlsLine : uint8_t { inbound, outbound };
std::string tls_fields(const acl::TlsFacts& tls, const config::LogSelectors& selectors,
                       TlsLine line);
// How long a message has been here: since the start of its text, or since its end
// (+queue_time_exclusive).
Millis queue_time(const Envelope& envelope, WallTime now, const config::LogSelectors& selectors);
// "1.5s", as Exim prints times with +millisec and without.
std::string format_duration(Millis duration, bool with_millis);

}  // namespace godwit::delivery
