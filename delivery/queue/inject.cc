// Queue: messages of our own.
#include "core/io/fiber.h"
#include "delivery/queue/active_message.h"
#include "delivery/queue/message_key.h"
#include "delivery/queue/queue.h"
#include "protocol/message/fixups.h"

#include <algorithm>
#include <utility>

namespace godwit::delivery {

Task<acl::MessageIdWords> Queue::message_id_words() {
  acl::EvalContext evaluation;
  evaluation.server = &services_.server;
  evaluation.services = services_.evaluators;
  evaluation.now = services_.loop.clock().wall();
  auto expanding = [&] { return acl::message_id_words(*config_->policy, evaluation); };
  acl::MessageIdWords words = co_await on_fiber(expanding);
  for (const std::string& problem : words.problems)
    services_.log.panic(LogEvent::configuration, "", problem);
  co_return words;
}

Task<Result<void>> Queue::inject(Envelope envelope, std::string headers, std::string body,
                                 std::string reference, std::string made_id) {
  const message::MessageId id = co_await ok(message::MessageId::parse(envelope.message_id));
  envelope.submitter_login = login_;
  envelope.ident = login_;
  envelope.body_lines = static_cast<uint64_t>(std::ranges::count(body, '\n'));
  headers.insert(0, received_of(envelope));
  envelope.message_bytes = headers.size() + MessageContent::kEmptyLine.size() + body.size();
  const std::unique_ptr<spool::MessageWriter> writer = services_.store->begin(key_of(id));
  co_await ok(writer->append(body));
  spool::StoredMessage stored =
      co_await ok(writer->commit(encode_envelope(envelope), std::move(headers)));
  std::string line = "<= " + (envelope.sender.empty() ? std::string("<>") : envelope.sender) +
                     " R=" + reference + " U=" + login_ +
                     " P=local S=" + std::to_string(envelope.message_bytes);
  if (!made_id.empty() && config_->options().log_selector.has(config::LogSelector::msg_id_created))
    line += " id*=" + made_id;
  services_.log.main(LogEvent::arrival, envelope.message_id, line);
  accepted(std::move(stored), std::move(envelope), false);
  co_return Result<void>();
}

// What the first header line of a message of ours says.
std::string Queue::received_of(const Envelope& envelope) const {
  message::ReceivedFacts facts;
  facts.ident = envelope.ident;
  facts.host = services_.server.primary_hostname;
  facts.protocol = envelope.protocol;
  facts.program = "Godwit";
  facts.version = services_.server.version_number;
  facts.sender = envelope.sender;
  facts.id = envelope.message_id;
  if (envelope.recipients.size() == 1) facts.received_for = envelope.recipients.front().address;
  facts.date = envelope.received;
  facts.utc = config_->options().timezone == "UTC";
  return message::received_field(facts);
}

// A message of our own: Message-ID: is added here.
Task<Result<void>> Queue::inject_message(std::string sender, std::vector<std::string> recipients,
                                         std::string headers, std::string body,
                                         std::string reference) {
  Envelope envelope;
  const WallTime now = services_.loop.clock().wall();
  envelope.message_id = services_.ids.next(now).to_string();
  envelope.sender = std::move(sender);
  for (std::string& recipient : recipients)
    envelope.recipients.push_back({std::move(recipient), {}, {}, 0});
  envelope.received = now;
  envelope.protocol = "local";
  envelope.is_local = true;
  const message::MessageId id = co_await ok(message::MessageId::parse(envelope.message_id));
  const acl::MessageIdWords words = co_await message_id_words();
  std::string section = std::move(headers);
  message::HeaderScanner scanner;
  scanner.feed(section);
  scanner.finish();
  std::string made_id;
  if (!scanner.has(message::FieldKind::message_id)) {
    section += message::message_id_field(id, words.domain, words.text, false);
    made_id = message::message_id_value(id.text(), words.domain, words.text);
  }
  co_return co_await inject(std::move(envelope), std::move(section), std::move(body),
                            std::move(reference), std::move(made_id));
}

}  // namespace godwit::delivery
