// Variables of the message.
#include "acl/expand/headers.h"
#include "acl/expand/variable_functions.h"
#include "acl/expand/variables.h"
#include "core/base/ascii.h"
#include "core/base/time.h"

#include <array>
#include <iterator>
#include <string>

namespace godwit::acl {
namespace {

// With colons between, and those in items doubled.
void append_list(const std::vector<std::string>& items, std::string& out) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ':';
    for (char c : items[i]) out.append(c == ':' ? 2 : 1, c);
  }
}

std::string_view domain_of(std::string_view address) {
  const size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

std::string_view local_part_of(std::string_view address) {
  return address.substr(0, address.rfind('@'));
}

void message_size(const MessageFacts& facts, std::string& out) {
  append_value(facts.size < 0 ? 0 : facts.size, out);
}
void queue_name(const EvalContext& context, std::string& out) {
  if (context.findings.queue_name) {
    out += *context.findings.queue_name;
  } else if (context.message != nullptr) {
    out += context.message->queue_name;
  }
}
void message_body_end(const MessageFacts& facts, std::string& out) {
  out += facts.body_end.empty() ? facts.body_start : facts.body_end;
}
void received_count(const MessageFacts& facts, std::string& out) {
  append_value(static_cast<int64_t>(count_headers(facts.headers, "received")), out);
}
void message_smtputf8(const MessageFacts& facts, std::string& out) {
  out += facts.smtputf8 ? "yes" : "no";
}
void prdr_requested(const MessageFacts& facts, std::string& out) {
  out += facts.prdr_requested ? "yes" : "no";
}
void received_for(const MessageFacts& facts, std::string& out) {
  if (facts.recipients.size() == 1) out += facts.recipients.front();
}
void received_time(const MessageFacts& facts, std::string& out) {
  append_value(facts.received_at.seconds(), out);
}
void recipients(const MessageFacts& facts, std::string& out) {
  append_joined(facts.recipients, ", ", out);
}
// A delivery knows their number alone: who else gets the message is not for everybody to see.
void recipients_count(const MessageFacts& facts, std::string& out) {
  const bool is_delivery = facts.recipients.empty() && !facts.headers.empty();
  append_value(is_delivery ? facts.rcpt_count : int64_t{std::ssize(facts.recipients)}, out);
}
void recipients_list(const MessageFacts& facts, std::string& out) {
  append_list(facts.recipients, out);
}
void sender_address_domain(const MessageFacts& facts, std::string& out) {
  out += domain_of(facts.sender_address);
}
void sender_address_local_part(const MessageFacts& facts, std::string& out) {
  out += local_part_of(facts.sender_address);
}

// name, function, documentation
constexpr auto kRows = std::to_array<VariableRow>({
    {"body_linecount", field<&MessageFacts::body_lines>, "lines of the body"},
    {"body_zerocount", field<&MessageFacts::body_zeros>, "NUL bytes of the body"},
    {"max_received_linelength", field<&MessageFacts::longest_line>, "longest line of the message"},
    {"message_body", field<&MessageFacts::body_start>, "start of the body", Taint::outside},
    {"message_body_end", made<&message_body_end>, "end of the body", Taint::outside},
    {"message_body_size", field<&MessageFacts::body_bytes>, "bytes of the body"},
    {"message_headers", append_decoded_headers, "the header section, words decoded",
     Taint::outside},
    {"received_count", made<&received_count>, "Received: fields"},
    {"reply_address", append_reply_address, "Reply-To:, or From: where there is none",
     Taint::outside},
    {"message_exim_id", field<&MessageFacts::id>, "id of the message on this host"},
    {"message_headers_raw", field<&MessageFacts::headers>, "the header section", Taint::outside},
    {"message_id", field<&MessageFacts::id>, "id of the message on this host"},
    {"message_linecount", field<&MessageFacts::lines>, "lines of the message"},
    {"message_size", made<&message_size>, "size in bytes; before arrival what MAIL said"},
    {"message_smtputf8", made<&message_smtputf8>, "set where MAIL had SMTPUTF8"},
    {"prdr_requested", made<&prdr_requested>, "yes where MAIL had PRDR"},
    {"queue_name", made<&queue_name>, "the named queue; empty for the default one"},
    {"rcpt_count", field<&MessageFacts::rcpt_count>, "RCPT commands so far"},
    {"rcpt_defer_count", field<&MessageFacts::rcpt_defer_count>, "of them deferred"},
    {"rcpt_fail_count", field<&MessageFacts::rcpt_fail_count>, "of them refused"},
    {"received_for", made<&received_for>, "the recipient, where there is one", Taint::outside},
    {"received_time", made<&received_time>, "when the message came, in seconds since 1970"},
    {"recipients", made<&recipients>, "all recipients, with a comma", Taint::outside},
    {"recipients_count", made<&recipients_count>, "number of recipients"},
    {"recipients_list", made<&recipients_list>, "all recipients as a list", Taint::outside},
    {"return_path", field<&MessageFacts::sender_address>, "envelope sender of the delivery",
     Taint::outside},
    {"sender_address", field<&MessageFacts::sender_address>, "envelope sender", Taint::outside},
    {"sender_address_domain", made<&sender_address_domain>, "its domain", Taint::outside},
    {"sender_address_local_part", made<&sender_address_local_part>, "its local part",
     Taint::outside},
});

}  // namespace

std::span<const VariableRow> message_variable_rows() noexcept {
  return kRows;
}

}  // namespace godwit::acl
