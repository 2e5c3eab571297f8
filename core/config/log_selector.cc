#include "core/config/log_selector.h"

#include "core/base/ascii.h"
#include "core/config/diagnostics.h"

#include <array>

namespace godwit::config {
namespace {

using enum LogSelector;

// selector, name, on by default, documentation
constexpr auto kRows = std::to_array<LogSelectorRow>({
    {bit_8bitmime, "8bitmime", false, "8BITMIME status of received messages"},
    {acl_warn_skipped, "acl_warn_skipped", true, "skipped warn statements"},
    {address_rewrite, "address_rewrite", false, "address rewriting"},
    {all_parents, "all_parents", false, "all parents in => lines"},
    {arguments, "arguments", false, "command line arguments"},
    {connection_id, "connection_id", false, "connection identifier"},
    {connection_identify, "connection_identify", false, "old name of connection_id"},
    {connection_reject, "connection_reject", true, "connection rejections"},
    {delay_delivery, "delay_delivery", true, "immediate delivery delayed"},
    {deliver_time, "deliver_time", false, "time taken for the delivery"},
    {delivery_size, "delivery_size", false, "size in => lines"},
    {dkim, "dkim", true, "DKIM verified domain on <= lines"},
    {dkim_verbose, "dkim_verbose", false, "each DKIM verification"},
    {dmarc, "dmarc", true, "DMARC pass on <= lines"},
    {dmarc_verbose, "dmarc_verbose", false, "DMARC results on <= lines"},
    {dnslist_defer, "dnslist_defer", true, "defers of DNS list lookups"},
    {dnssec, "dnssec", false, "DNSSEC secured lookups"},
    {etrn, "etrn", true, "ETRN commands"},
    {host_lookup_failed, "host_lookup_failed", true, "as it says"},
    {ident_timeout, "ident_timeout", false, "timeouts of RFC 1413 queries"},
    {incoming_interface, "incoming_interface", false, "local interface on <= and => lines"},
    {incoming_port, "incoming_port", false, "remote port on <= lines"},
    {lost_incoming_connection, "lost_incoming_connection", true, "as it says"},
    {millisec, "millisec", false, "milliseconds in times"},
    {msg_id, "msg_id", true, "message-id on <= lines"},
    {msg_id_created, "msg_id_created", false, "message-id on <= lines where this host made it"},
    {outgoing_interface, "outgoing_interface", false, "local interface on => lines"},
    {outgoing_port, "outgoing_port", false, "remote port on => lines"},
    {pid, "pid", false, "process number"},
    {pipelining, "pipelining", false, "use of PIPELINING"},
    {protocol_detail, "protocol_detail", false, "protocol steps, resets after QUIT"},
    {proxy, "proxy", false, "proxy address"},
    {queue_run, "queue_run", true, "start and end of queue runs"},
    {queue_time, "queue_time", false, "time on the queue of one recipient"},
    {queue_time_exclusive, "queue_time_exclusive", false,
     "queue times without the time of receipt"},
    {queue_time_overall, "queue_time_overall", false, "time on the queue of the whole message"},
    {receive_time, "receive_time", false, "time taken for receipt"},
    {received_recipients, "received_recipients", false, "recipients on <= lines"},
    {received_sender, "received_sender", false, "sender on <= lines"},
    {rejected_header, "rejected_header", true, "headers of rejected messages in the reject log"},
    {retry_defer, "retry_defer", true, "retry time not reached"},
    {return_path_on_delivery, "return_path_on_delivery", false, "return path on => lines"},
    {sender_on_delivery, "sender_on_delivery", false, "sender on => lines"},
    {sender_verify_fail, "sender_verify_fail", true, "failed sender verification"},
    {size_reject, "size_reject", true, "rejections because of size"},
    {skip_delivery, "skip_delivery", true, "deliveries skipped in queue runs"},
    {smtp_confirmation, "smtp_confirmation", true,
     "the confirmation of the remote host on => lines"},
    {smtp_connection, "smtp_connection", false, "incoming SMTP connections"},
    {smtp_incomplete_transaction, "smtp_incomplete_transaction", false,
     "incomplete SMTP transactions"},
    {smtp_mailauth, "smtp_mailauth", false, "AUTH argument of MAIL"},
    {smtp_no_mail, "smtp_no_mail", false, "sessions without MAIL"},
    {smtp_protocol_error, "smtp_protocol_error", false, "SMTP protocol errors"},
    {smtp_syntax_error, "smtp_syntax_error", false, "SMTP syntax errors"},
    {spf, "spf", true, "SPF pass on <= lines"},
    {spf_verbose, "spf_verbose", false, "SPF results on <= lines"},
    {subject, "subject", false, "subject on <= lines"},
    {tls_certificate_verified, "tls_certificate_verified", true, "certificate verification"},
    {tls_cipher, "tls_cipher", true, "cipher on <= and => lines"},
    {tls_on_connect, "tls_on_connect", false, "TLS on connect in protocol names"},
    {tls_peerdn, "tls_peerdn", false, "DN of the peer"},
    {tls_resumption, "tls_resumption", false, "resumed sessions in X="},
    {tls_sni, "tls_sni", false, "SNI on <= lines"},
    {unknown_in_list, "unknown_in_list", false, "DNS lookup failures in list matching"},
});
static_assert(kRows.size() == kLogSelectorCount);
static_assert([] {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].selector != static_cast<LogSelector>(i)) return false;
  }
  return true;
}());

// An old spelling and the one that it stands for.
struct Alias {
  std::string_view old_name;
  std::string_view name;
};
constexpr auto kAliases = std::to_array<Alias>({
    {"incoming_proxy", "proxy"},
    {"rejected_headers", "rejected_header"},
});

const LogSelectorRow* find_row(std::string_view name) {
  for (const Alias& alias : kAliases) {
    if (alias.old_name == name) name = alias.name;
  }
  for (const LogSelectorRow& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

void report_unknown(std::string_view name, Place place, Diagnostics& diagnostics) {
  std::vector<std::string_view> names;
  for (const LogSelectorRow& row : kRows) names.push_back(row.name);
  diagnostics.error(place, "\"" + std::string(name) + "\" is not a log selector",
                    did_you_mean(name, names));
}

}  // namespace

std::span<const LogSelectorRow> log_selector_rows() noexcept {
  return kRows;
}

LogSelectors::LogSelectors() {
  for (const LogSelectorRow& row : kRows) set(row.selector, row.by_default);
}

LogSelectors LogSelectors::parse(const LocatedText& text, Diagnostics& diagnostics) {
  LogSelectors out;
  const std::string_view all = text.view();
  size_t i = 0;
  for (;;) {
    while (i < all.size() && is_space(all[i])) ++i;
    if (i == all.size()) return out;
    const char sign = all[i];
    if (sign != '+' && sign != '-') {
      diagnostics.error(text.at(i), "a log selector begins with + or -");
      return out;
    }
    size_t begin = i + 1;
    while (begin < all.size() && is_blank(all[begin])) ++begin;
    i = begin;
    while (i < all.size() && (is_alnum(all[i]) || all[i] == '_')) ++i;
    const std::string_view name = all.substr(begin, i - begin);
    if (name == "all") {
      for (const LogSelectorRow& row : kRows) out.set(row.selector, sign == '+');
    } else if (const LogSelectorRow* row = find_row(name)) {
      out.set(row->selector, sign == '+');
    } else {
      report_unknown(name, text.at(begin), diagnostics);
    }
  }
}

}  // namespace godwit::config
