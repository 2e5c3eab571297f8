// Between a message id and the 128-bit key under which the spool keeps the message. Both forms of
// ids fit: 62 bits would do for the old one, 126 for the new one.
#pragma once

#include "core/spool/message.h"
#include "protocol/message/message_id.h"

namespace godwit::delivery {

spool::MessageKey key_of(const message::MessageId& id) noexcept;
// Empty for a key that no id has.
message::MessageId id_of(const spool::MessageKey& key) noexcept;

}  // namespace godwit::delivery
