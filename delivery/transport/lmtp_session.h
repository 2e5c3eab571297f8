// LmtpSession: one LMTP dialogue over a connected stream: greeting, LHLO, one transaction, QUIT.
// Lives as long as its run(); the stream outlives it.
#pragma once

#include "core/io/loop.h"
#include "core/io/stream.h"
#include "core/io/task.h"
#include "delivery/transport/message_content.h"
#include "delivery/transport/outcome.h"
#include "protocol/smtp/client_engine.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

class LmtpSession {
 public:
  LmtpSession(Loop& loop, ByteStream& stream, std::string helo_name, Seconds timeout);

  // One outcome for each recipient, in order. `content` outlives the call.
  Task<std::vector<DeliveryOutcome>> run(smtp::Transaction transaction,
                                         const MessageContent& content);

 private:
  Task<smtp::ClientEvent> pump();
  Task<void> send_body(const MessageContent& content);
  Task<Result<void>> send_pieces(const MessageContent& content);
  void set_deadline();
  DeliveryOutcome outcome_of(const smtp::Outcome& from) const;

  Loop& loop_;
  ByteStream& stream_;
  smtp::ClientEngine engine_;
  Seconds timeout_;
  std::string read_problem_;  // the message could not be read to its end
};

}  // namespace godwit::delivery
