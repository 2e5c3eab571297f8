// Queue, retry, routing and reports.
#include "core/config/main_option_rows.h"

#include <array>

namespace godwit::config {
namespace {

using enum Effect;
using M = MainOptions;

// name, field, default, effect, documentation, choices
constexpr auto kRows = std::to_array<OptionRow<M>>({
    {"allow_mx_to_ip", &M::allow_mx_to_ip, "false", now,
     "accept an MX record that names an IP address"},
    {"auto_thaw", &M::auto_thaw, "0s", now, "time after which a frozen message is tried again"},
    {"bounce_message_file", &M::bounce_message_file, "", now, "template of bounce messages"},
    {"bounce_message_text", &M::bounce_message_text, "", now, "text put into bounce messages"},
    {"bounce_return_body", &M::bounce_return_body, "true", now, "bounce messages contain the body"},
    {"bounce_return_linesize_limit", &M::bounce_return_linesize_limit, "998", now,
     "longest line of a body in a bounce message"},
    {"bounce_return_message", &M::bounce_return_message, "true", now,
     "bounce messages contain the message"},
    {"bounce_return_size_limit", &M::bounce_return_size_limit, "100K", now,
     "most of a message that a bounce message contains"},
    {"bounce_sender_authentication", &M::bounce_sender_authentication, "", later,
     "AUTH value of bounce messages"},
    {"callout_domain_negative_expire", &M::callout_domain_negative_expire, "3h", now,
     "life of a domain's bad callout answers"},
    {"callout_domain_positive_expire", &M::callout_domain_positive_expire, "7d", now,
     "life of a domain's good callout answers"},
    {"callout_negative_expire", &M::callout_negative_expire, "2h", now,
     "life of an address's bad callout answers"},
    {"callout_positive_expire", &M::callout_positive_expire, "24h", now,
     "life of an address's good callout answers"},
    {"callout_random_local_part", &M::callout_random_local_part,
     "$primary_hostname-$tod_epoch-testing", now, "local part of a random callout"},
    {"delay_warning", &M::delay_warning, "24h", now, "times after which the sender is warned"},
    {"delay_warning_condition", &M::delay_warning_condition,
     "${if or {{ !eq{$h_list-id:$h_list-post:$h_list-subscribe:}{} }{ "
     "match{$h_precedence:}{(?i)bulk|list|junk} }{ "
     "match{$h_auto-submitted:}{(?i)auto-generated|auto-replied} }} {no}{yes}}",
     now, "which messages are warned about"},
    {"deliver_drop_privilege", &M::deliver_drop_privilege, "false", never,
     "always so: deliveries have the rights of exim_user and no others"},
    {"deliver_queue_load_max", &M::deliver_queue_load_max, "", now,
     "load above which nothing is delivered from the queue"},
    {"disable_fsync", &M::disable_fsync, "false", never,
     "refused: 250 means that the message is on disk"},
    {"dsn_from", &M::dsn_from, "Mail Delivery System <Mailer-Daemon@$qualify_domain>", now,
     "From: of reports"},
    {"errors_copy", &M::errors_copy, "", now, "who gets copies of bounce messages"},
    {"errors_reply_to", &M::errors_reply_to, "", now, "Reply-To: of bounce messages"},
    {"event_action", &M::event_action, "", now, "expansion that runs for every event"},
    {"freeze_tell", &M::freeze_tell, "", now, "who is told about frozen messages"},
    {"hold_domains", &M::hold_domains, "", now, "domains that are not delivered to"},
    {"ignore_bounce_errors_after", &M::ignore_bounce_errors_after, "10w", now,
     "age at which an undeliverable bounce message is dropped"},
    {"keep_malformed", &M::keep_malformed, "4d", now,
     "age at which an unreadable spool file is removed"},
    {"move_frozen_messages", &M::move_frozen_messages, "false", never,
     "refused: frozen messages stay where -bp and -M... find them"},
    {"mua_wrapper", &M::mua_wrapper, "false", now, "deliver at once or fail, for mail programs"},
    {"queue_domains", &M::queue_domains, "", now,
     "domains that are delivered to from the queue only"},
    {"queue_fast_ramp", &M::queue_fast_ramp, "true", never, "start queue deliveries while routing"},
    {"queue_only", &M::queue_only, "false", now, "messages wait for a queue run"},
    {"queue_only_file", &M::queue_only_file, "", now, "files whose existence means queue_only"},
    {"queue_only_load", &M::queue_only_load, "", now,
     "load above which messages wait for a queue run"},
    {"queue_only_load_latch", &M::queue_only_load_latch, "true", now,
     "queue_only_load holds to the end of a connection"},
    {"queue_only_override", &M::queue_only_override, "true", now,
     "-od options override queue_only"},
    {"queue_run_in_order", &M::queue_run_in_order, "false", never,
     "accepted; queue runs always take the oldest first"},
    {"queue_run_max", &M::queue_run_max, "5", never, "queue runs at a time"},
    {"queue_smtp_domains", &M::queue_smtp_domains, "", now,
     "domains that are routed at once and delivered from the queue"},
    {"remote_max_parallel", &M::remote_max_parallel, "4", now,
     "remote deliveries of one message at a time"},
    {"remote_sort_domains", &M::remote_sort_domains, "", now, "order of remote domains"},
    {"retry_data_expire", &M::retry_data_expire, "7d", now,
     "age at which retry information is forgotten"},
    {"retry_interval_max", &M::retry_interval_max, "24h", now, "longest time between tries"},
    {"return_size_limit", &M::bounce_return_size_limit, "100K", now,
     "old name of bounce_return_size_limit"},
    {"timeout_frozen_after", &M::timeout_frozen_after, "0s", now,
     "age at which a frozen message is dropped"},
    {"warn_message_file", &M::warn_message_file, "", now, "template of delay warnings"},
});

}  // namespace

std::span<const OptionRow<MainOptions>> delivery_option_rows() noexcept {
  return kRows;
}

}  // namespace godwit::config
