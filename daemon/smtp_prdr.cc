// SmtpSession: a verdict for each recipient after the data (PRDR, draft-hall-prdr). The ACL for it
// runs before the one for the whole message.
#include "daemon/smtp_session.h"

#include <utility>

namespace godwit::daemon {
namespace {

using acl::AclVerdict;
using acl::AclWhere;

// What a verdict is on the wire and in the default text. A refusal that closes the connection, and
// codes in the ACL's message, have no place between the replies.
struct VerdictRow {
  uint16_t code;
  std::string_view enhanced;
  std::string_view word;
};

VerdictRow row_of(AclVerdict verdict) noexcept {
  switch (verdict) {
    case AclVerdict::accept:
    case AclVerdict::discard:
      return {250, "2.0.0", "acceptance"};
    case AclVerdict::defer:
      return {450, "4.7.1", "temporary refusal"};
    case AclVerdict::deny:
    case AclVerdict::drop:
      break;
  }
  return {550, "5.7.1", "refusal"};
}

}  // namespace

// Asks about one recipient and answers for it.
Task<AclVerdict> SmtpSession::ask_recipient(const std::string& address) {
  set_address(address);
  const Judgement judgement = co_await ask(AclWhere::prdr, address);
  const VerdictRow row = row_of(judgement.verdict);
  const std::string usual = "PRDR R=<" + address + "> " + std::string(row.word);
  smtp::ReplyView reply{row.code, row.enhanced, usual};
  if (!judgement.message.empty()) reply.text = judgement.message;
  const std::string& enhanced = judgement.reply.enhanced;
  if (enhanced.starts_with(row.enhanced[0])) reply.enhanced = enhanced;
  engine_.reply_ahead(reply);
  const std::string& why =
      judgement.log_message.empty() ? judgement.message : judgement.log_message;
  const std::string text = why.empty() ? usual : "PRDR " + address + " " + why;
  inbound_.services().log.main(LogEvent::note, incoming_.id.text(), text);
  co_return judgement.verdict;
}

// One verdict for each recipient; those that are not accepted leave the envelope. False, and
// answered, where none is left.
Task<bool> SmtpSession::ask_recipients() {
  const bool wanted = message_.prdr_requested && recipients_.size() > 1 &&
                      inbound_.config().policy->acl(AclWhere::prdr).is_set();
  message_.prdr_requested = wanted;
  if (!wanted) co_return true;
  engine_.reply_ahead(smtp::named_reply(smtp::ReplyId::prdr_begins));
  show_header_section();
  std::vector<EnvelopeRecipient> asked = std::exchange(recipients_, {});
  bool any_deferred = false;
  bool any_refused = false;
  bool any_discarded = false;
  for (EnvelopeRecipient& recipient : asked) {
    const AclVerdict verdict = co_await ask_recipient(recipient.address);
    any_deferred |= verdict == AclVerdict::defer;
    any_refused |= verdict == AclVerdict::deny || verdict == AclVerdict::drop;
    any_discarded |= verdict == AclVerdict::discard;
    if (verdict == AclVerdict::accept) recipients_.push_back(std::move(recipient));
  }
  address_ = acl::AddressFacts();
  message_.recipients.clear();
  for (const EnvelopeRecipient& recipient : recipients_)
    message_.recipients.push_back(recipient.address);
  incoming_.prdr_result = any_deferred || any_refused ? "accepted for some recipients" : "accepted";
  if (!recipients_.empty()) co_return true;

  const std::string id(incoming_.id.text());
  if (any_discarded)
    inbound_.services().log.main(LogEvent::arrival, id,
                                 "=> blackhole (PRDR ACL discarded recipients)");
  if (any_discarded) {
    const std::string text = "id=" + id + " message " + std::string(incoming_.prdr_result);
    engine_.reply({250, "2.0.0", text});
    ++messages_accepted_;
  } else if (any_deferred) {
    const std::string text = "id=" + id + " message temporarily rejected for all recipients";
    engine_.reply({450, "4.7.1", text});
  } else {
    const std::string text = "id=" + id + " message rejected for all recipients";
    engine_.reply({550, "5.7.1", text});
  }
  co_return false;
}

}  // namespace godwit::daemon
