// log_selector: which optional lines and fields the main log has. A row a selector.
// Used by main options (parse) and by whoever writes log lines (has).
#pragma once

#include "core/config/located_text.h"

#include <bitset>
#include <cstdint>
#include <span>
#include <string_view>

namespace godwit::config {

class Diagnostics;

enum class LogSelector : uint8_t {
  // In the order of the rows in log_selector.cc: sorted by name.
  bit_8bitmime,
  acl_warn_skipped,
  address_rewrite,
  all_parents,
  arguments,
  connection_id,
  connection_identify,
  connection_reject,
  delay_delivery,
  deliver_time,
  delivery_size,
  dkim,
  dkim_verbose,
  dmarc,
  dmarc_verbose,
  dnslist_defer,
  dnssec,
  etrn,
  host_lookup_failed,
  ident_timeout,
  incoming_interface,
  incoming_port,
  lost_incoming_connection,
  millisec,
  msg_id,
  msg_id_created,
  outgoing_interface,
  outgoing_port,
  pid,
  pipelining,
  protocol_detail,
  proxy,
  queue_run,
  queue_time,
  queue_time_exclusive,
  queue_time_overall,
  receive_time,
  received_recipients,
  received_sender,
  rejected_header,
  retry_defer,
  return_path_on_delivery,
  sender_on_delivery,
  sender_verify_fail,
  size_reject,
  skip_delivery,
  smtp_confirmation,
  smtp_connection,
  smtp_incomplete_transaction,
  smtp_mailauth,
  smtp_no_mail,
  smtp_protocol_error,
  smtp_syntax_error,
  spf,
  spf_verbose,
  subject,
  tls_certificate_verified,
  tls_cipher,
  tls_on_connect,
  tls_peerdn,
  tls_resumption,
  tls_sni,
  unknown_in_list,
};
inline constexpr size_t kLogSelectorCount = static_cast<size_t>(LogSelector::unknown_in_list) + 1;

struct LogSelectorRow {
  LogSelector selector;
  std::string_view name;
  bool by_default;
  std::string_view doc;
};
std::span<const LogSelectorRow> log_selector_rows() noexcept;

class LogSelectors {
 public:
  // The defaults of the rows.
  LogSelectors();
  bool has(LogSelector selector) const noexcept { return bits_[static_cast<size_t>(selector)]; }
  void set(LogSelector selector, bool on) noexcept { bits_[static_cast<size_t>(selector)] = on; }
  bool operator==(const LogSelectors&) const = default;

  // "+name -name +all", applied to the defaults. Unknown names go to `diagnostics`.
  static LogSelectors parse(const LocatedText& text, Diagnostics& diagnostics);

 private:
  std::bitset<kLogSelectorCount> bits_;
};

}  // namespace godwit::config
