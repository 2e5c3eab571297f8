// What local transports do alike: header lines that their options add, a whole message as the text
// that a program or a file gets, and the user that they run as.
#pragma once

#include "core/base/result.h"
#include "core/io/loop.h"
#include "core/io/task.h"
#include "delivery/transport/mailbox_text.h"
#include "delivery/transport/transport.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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

// Return-path:, Envelope-to: and Delivery-date: where the options ask for them.
std::string added_header_lines(const TransportOptions& options, const LocalDelivery& delivery);

// Prefix, added lines, header section, body and suffix, in `text`'s form. Errors: the spool's.
Task<Result<std::string>> whole_text(const LocalDelivery& delivery, MailboxTextOptions text,
                                     std::string_view prefix, std::string_view added,
                                     std::string_view suffix);

struct RunAs {
  uint32_t user = 0;
  uint32_t group = 0;
  std::string login;
  std::string home;
};
// The user and group of the transport's options; nothing where neither is set. Looks names up on
// the thread pool. Errors: config, with what is wrong.
Task<Result<std::optional<RunAs>>> run_as(Loop& loop, std::string user, std::string group);

}  // namespace godwit::delivery
