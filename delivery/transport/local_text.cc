#include "delivery/transport/local_text.h"

#include "core/base/ascii.h"
#include "protocol/message/fixups.h"

#include <grp.h>
#include <pwd.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace godwit::delivery {
namespace {

constexpr size_t kNameBufferBytes = 16 * 1024;

Result<uint32_t> group_id(const std::string& name) {
  if (const std::optional<uint64_t> number = parse_decimal(name))
    return static_cast<uint32_t>(*number);
  std::array<char, kNameBufferBytes> buffer;
  struct group entry {};
  struct group* found = nullptr;
  getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return Error(Errc::config, "there is no group \"" + name + "\"");
  return static_cast<uint32_t>(found->gr_gid);
}

Result<RunAs> user_of(const std::string& name) {
  std::array<char, kNameBufferBytes> buffer;
  passwd entry{};
  passwd* found = nullptr;
  const std::optional<uint64_t> number = parse_decimal(name);
  if (number) {
    getpwuid_r(static_cast<uid_t>(*number), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr)
      return RunAs{static_cast<uint32_t>(*number), static_cast<uint32_t>(getgid()), name, {}};
  } else {
    getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) return Error(Errc::config, "there is no user \"" + name + "\"");
  }
  return RunAs{static_cast<uint32_t>(found->pw_uid), static_cast<uint32_t>(found->pw_gid),
               found->pw_name, found->pw_dir};
}

Result<std::optional<RunAs>> look_up(const std::string& user, const std::string& group) {
  RunAs out;
  out.user = static_cast<uint32_t>(getuid());
  out.group = static_cast<uint32_t>(getgid());
  if (!user.empty()) {
    Result<RunAs> found = user_of(user);
    if (!found) return found.error();
    out = std::move(*found);
  }
  if (!group.empty()) {
    const Result<uint32_t> found = group_id(group);
    if (!found) return found.error();
    out.group = *found;
  }
  if (geteuid() == 0) return std::optional<RunAs>(std::move(out));
  if (out.user != getuid() || out.group != getgid()) {
    return Error(Errc::config, "unable to become user " + (user.empty() ? group : user) +
                                   ": this process is not root");
  }
  return std::optional<RunAs>();
}

// "Sat Nov 21 04:30:00 2026", as a From line has it.
std::string mbox_date(WallTime at, bool utc) {
  const time_t seconds = at.seconds();
  tm parts{};
  if (utc) {
    gmtime_r(&seconds, &parts);
  } else {
    localtime_r(&seconds, &parts);
  }
  char text[32];
  const size_t size = strftime(text, sizeof(text), "%a %b %d %H:%M:%S %Y", &parts);
  return std::string(text, size);
}

}  // namespace

std::string from_line(const LocalDelivery& delivery) {
  const std::string_view sender =
      delivery.return_path.empty() ? std::string_view("MAILER-DAEMON") : delivery.return_path;
  return "From " + escape_control(sender) + " " + mbox_date(delivery.now, delivery.evaluation.utc) +
         "\n";
}

std::string apply_overrides(std::span<const TextOverride> overrides, acl::EvalContext& context) {
  for (const TextOverride& row : overrides) {
    if (!row.option.is_set) continue;
    acl::EvalResult result = row.expansion.evaluate(context);
    if (!result.ok())
      return "failed to expand \"" + std::string(row.expansion.source()) + "\": " + result.text;
    row.value = std::move(result.text);
  }
  return {};
}

std::string added_header_lines(const TransportOptions& options, const LocalDelivery& delivery) {
  std::string out;
  if (options.return_path_add) out += message::return_path_field(delivery.return_path);
  if (options.envelope_to_add) out += message::envelope_to_field(delivery.address);
  if (options.delivery_date_add)
    out += message::delivery_date_field(delivery.now, delivery.evaluation.utc);
  return out;
}

Task<Result<std::string>> whole_text(const LocalDelivery& delivery, MailboxTextOptions options,
                                     std::string_view prefix, std::string_view added,
                                     std::string_view suffix) {
  MailboxText text(std::move(options));
  const MessageContent& content = delivery.content;
  std::string out(prefix);
  out.reserve(prefix.size() + added.size() + content.message_bytes() + suffix.size());
  text.add_headers(added, out);
  text.add_headers(content.header_section(), out);
  text.add_headers(MessageContent::kEmptyLine, out);
  if (content.is_in_memory()) {
    for (const spool::MessageBytes::Chunk& chunk : content.body_chunks())
      text.add_body(chunk.view(), out);
  }
  std::string page;
  for (uint64_t offset = 0; !content.is_in_memory() && offset < content.body_bytes();) {
    const std::string_view piece = co_await ok(content.read_page(offset, page));
    if (piece.empty()) co_return Error(Errc::malformed, "the body is shorter than it was");
    offset += piece.size();
    text.add_body(piece, out);
  }
  text.finish(out);
  out += suffix;
  co_return out;
}

Task<Result<std::optional<RunAs>>> run_as(Loop& loop, std::string user, std::string group) {
  if (user.empty() && group.empty()) co_return std::optional<RunAs>();
  auto call = [user = std::move(user), group = std::move(group)] { return look_up(user, group); };
  auto job = blocking(loop, std::move(call));
  Result<std::optional<RunAs>> found = co_await job;
  co_return found;
}

}  // namespace godwit::delivery
