// MessageOptions: what of a connection's options speaks of the message that it is opened for, such
// as interface = ${lookup{$sender_address_domain}...}. Messages for which they have different
// values do not share connections. Used by the smtp transport and by destination queues.
#pragma once

#include "acl/expand/expansion.h"
#include "delivery/transport/transport.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::acl {
class ListCompiler;
}

namespace godwit::delivery {

// True where the text has a variable that is not about this server or the remote host alone.
bool speaks_of_message(std::string_view text) noexcept;
// The texts of the named lists (+name) in it, and in those, that do.
std::vector<std::string> lists_of_message(std::string_view text, const acl::ListCompiler& lists);

class MessageOptions {
 public:
  // Takes note of an option, where it or a named list in it speaks of the message.
  void add(const config::ConfigText& option, const TransportCompileContext& context);
  bool empty() const noexcept { return options_.empty(); }
  // The values for one message, as one text. On a fiber.
  std::string values(acl::EvalContext& evaluation) const;

 private:
  std::vector<acl::Expansion> options_;
};

}  // namespace godwit::delivery
