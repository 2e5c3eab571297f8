// What local transports do alike: a whole message as the text that a program or a file gets, and
// the user that they run as.
#pragma once

#include "core/base/result.h"
#include "core/io/loop.h"
#include "core/io/process.h"
#include "core/io/task.h"
#include "delivery/transport/mailbox_text.h"
#include "delivery/transport/transport.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

// "From a@b Sat Nov 21 04:30:00 2026", with its line end.
std::string from_line(const LocalDelivery& delivery);

// An option that replaces a part of the text around a message.
struct TextOverride {
  const config::ExpandText& option;
  const acl::Expansion& expansion;
  std::string& value;
};
// Gives every option that is set its value; empty, or what is wrong. May wait on the fiber.
std::string apply_overrides(std::span<const TextOverride> overrides, acl::EvalContext& context);

// use_bsmtp: the envelope goes before the message, and what ends it after; lines are escaped.
void wrap_bsmtp(const LocalDelivery& delivery, MailboxTextOptions& text, std::string& prefix,
                std::string& suffix);

// Prefix, header section, body and suffix, in `text`'s form. Errors: the spool's.
Task<Result<std::string>> whole_text(const MessageContent& content, MailboxTextOptions text,
                                     std::string_view prefix, std::string_view suffix);

// home_directory and current_directory of the transport, else those of the router, into
// `address.home` and `directory`. False, and the outcome, where they are wrong. On a fiber;
// `evaluation` sees `address`.
bool expand_directories(const Transport& transport, const RouteResult& route,
                        acl::AddressFacts& address, acl::EvalContext& evaluation,
                        std::string& directory, DeliveryOutcome& trouble);

struct RunAs {
  uint32_t user = 0;
  uint32_t group = 0;
  std::string login;
  std::string home;
  bool initgroups = false;       // with the additional groups of `login`
  std::vector<uint32_t> groups;  // those, where they are wanted
};
// Who a delivery runs as: the user and group of the transport's options, else those of the router;
// nothing where neither says any, or this process is that user. Looks names up on the thread pool.
// Errors: config, with what is wrong.
Task<Result<std::optional<RunAs>>> run_as(Loop& loop, const Transport& transport,
                                          const LocalRecipient& recipient);
// The command will run so.
void become(const RunAs& who, ProcessOptions& process);

}  // namespace godwit::delivery
