#include "delivery/transport/local_text.h"

#include "core/base/ascii.h"
#include "core/io/fiber.h"
#include "delivery/route/local_user.h"

#include <grp.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace godwit::delivery {
namespace {

constexpr size_t kGroupsMax = 1024;

Result<uint32_t> group_id(const std::string& name) {
  const Result<std::optional<uint32_t>> found = ask_local_group(name);
  if (!found) return Error(Errc::config, found.error().detail());
  if (!*found) return Error(Errc::config, "there is no group \"" + name + "\"");
  return **found;
}

Result<RunAs> user_of(const std::string& name) {
  Result<std::optional<LocalUser>> found = ask_local_user(name, true);
  if (!found) return Error(Errc::config, found.error().detail());
  if (!*found) return Error(Errc::config, "there is no user \"" + name + "\"");
  LocalUser& user = **found;
  if (user.login.empty())
    return RunAs{user.uid, static_cast<uint32_t>(getgid()), name, {}, false, {}};
  return RunAs{user.uid, user.gid, std::move(user.login), std::move(user.home), false, {}};
}

Result<std::optional<RunAs>> look_up(const std::string& user, const std::string& group,
                                     const std::string& transport,
                                     std::span<const uint32_t> never_users) {
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
  const bool is_forbidden = !user.empty() && std::find(never_users.begin(), never_users.end(),
                                                       out.user) != never_users.end();
  if (is_forbidden)
    return Error(Errc::config, "User " + std::to_string(out.user) + " set for " + transport +
                                   " transport is on the never_users list");
  if (geteuid() == 0) return std::optional<RunAs>(std::move(out));
  if (out.user != getuid() || out.group != getgid()) {
    return Error(Errc::config, "unable to become user " + (user.empty() ? group : user) +
                                   ": this process is not root");
  }
  return std::optional<RunAs>();
}

// A user who is only a number has none.
void add_groups(RunAs& who) {
  if (who.home.empty()) return;
  who.initgroups = true;
  std::array<gid_t, kGroupsMax> groups;
  int count = static_cast<int>(groups.size());
  if (getgrouplist(who.login.c_str(), who.group, groups.data(), &count) < 0) return;
  who.groups.assign(groups.begin(), groups.begin() + count);
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

void wrap_bsmtp(const LocalDelivery& delivery, MailboxTextOptions& text, std::string& prefix,
                std::string& suffix) {
  const std::string end = text.use_crlf ? "\r\n" : "\n";
  prefix += "MAIL FROM:<" + std::string(delivery.return_path) + ">" + end;
  for (const std::string& recipient : delivery.recipients)
    prefix += "RCPT TO:<" + recipient + ">" + end;
  if (delivery.recipients.empty())
    prefix += "RCPT TO:<" + std::string(delivery.address) + ">" + end;
  prefix += "DATA" + end;
  suffix += "." + end;
  text.check_string = ".";
  text.escape_string = "..";
  text.checks_headers = true;
}

Task<Result<std::string>> whole_text(const MessageContent& content, MailboxTextOptions options,
                                     std::string_view prefix, std::string_view suffix) {
  MailboxText text(std::move(options));
  std::string out(prefix);
  out.reserve(prefix.size() + content.message_bytes() + suffix.size());
  text.add_headers(content.header_section(), out);
  text.add_headers(content.separator(), out);
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

bool expand_directories(const Transport& transport, const RouteResult& route,
                        acl::AddressFacts& address, acl::EvalContext& evaluation,
                        std::string& directory, DeliveryOutcome& trouble) {
  const TransportOptions& options = transport.options();
  struct Part {
    const char* name;
    bool is_set;
    const acl::Expansion& option;
    const std::string& of_router;
    std::string& value;
  };
  const Part parts[] = {
      {"home directory", options.home_directory.is_set, transport.generic().home_directory,
       route.home, address.home},
      {"current directory", options.current_directory.is_set, transport.generic().current_directory,
       route.current_directory, directory}};
  for (const Part& part : parts) {
    part.value = part.of_router;
    if (!part.is_set) continue;
    acl::EvalResult result = part.option.evaluate(evaluation);
    if (!result.ok()) {
      trouble.error_number = kErrorExpansion;
      trouble.text = std::string(part.name) + " \"" + std::string(part.option.source()) +
                     "\" failed to expand for transport " + transport.name() + ": " + result.text;
      return false;
    }
    part.value = std::move(result.text);
    if (part.value.starts_with('/')) continue;
    trouble.text = std::string(part.name) + " path \"" + part.value +
                   "\" is not absolute for transport " + transport.name();
    return false;
  }
  if (directory.empty()) directory = address.home.empty() ? "/" : address.home;
  return true;
}

namespace {

struct Names {
  std::string user;
  std::string group;
  std::string problem;
};

Names names_of(const Transport& transport, const LocalRecipient& recipient) {
  Names out;
  acl::EvalResult user = transport.generic().user.evaluate(recipient.evaluation);
  acl::EvalResult group = transport.generic().group.evaluate(recipient.evaluation);
  if (!user.ok() || !group.ok()) {
    out.problem = "failed to expand user or group for " + transport.name() +
                  " transport: " + (user.ok() ? group.text : user.text);
    return out;
  }
  out.user = std::move(user.text);
  out.group = std::move(group.text);
  if (!out.user.empty() || !recipient.user) return out;
  out.user = std::to_string(*recipient.user);
  if (out.group.empty() && recipient.group) out.group = std::to_string(*recipient.group);
  return out;
}

}  // namespace

void become(const RunAs& who, ProcessOptions& process) {
  process.user = who.user;
  process.group = who.group;
  process.initgroups = who.initgroups;
}

Task<Result<std::optional<RunAs>>> run_as(Loop& loop, const Transport& transport,
                                          const LocalRecipient& recipient) {
  auto naming = [&] { return names_of(transport, recipient); };
  Names names = co_await on_fiber(naming);
  if (!names.problem.empty()) co_return Error(Errc::config, std::move(names.problem));
  std::string& user = names.user;
  std::string& group = names.group;
  if (user.empty() && group.empty()) co_return std::optional<RunAs>();
  const bool wants_groups = transport.options().initgroups || recipient.initgroups;
  auto call = [&] {
    Result<std::optional<RunAs>> found =
        look_up(user, group, transport.name(), recipient.never_users);
    if (found && *found && wants_groups) add_groups(**found);
    return found;
  };
  auto job = blocking(loop, std::move(call));
  Result<std::optional<RunAs>> found = co_await job;
  co_return found;
}

}  // namespace godwit::delivery
