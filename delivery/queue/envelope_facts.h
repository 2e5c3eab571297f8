// What evaluations may see of a message in the spool, from its envelope. Used by deliveries and by
// `-be -Mset`.
#pragma once

#include "acl/expand/context.h"
#include "protocol/spool_format/envelope.h"

namespace godwit::delivery {

struct EnvelopeFacts {
  acl::MessageFacts& message;  // all but its text and its recipients
  acl::ConnectionFacts& connection;
  acl::AclVariables& connection_variables;
  acl::AclVariables& message_variables;
};
void take_facts(const Envelope& envelope, const EnvelopeFacts& facts);

}  // namespace godwit::delivery
