// What evaluators see of a TLS session, from what the session knows of itself.
#pragma once

#include "acl/expand/context.h"
#include "tls/facts.h"

namespace godwit::delivery {

acl::TlsFacts tls_facts_of(const tls::SessionFacts& session);

}  // namespace godwit::delivery
