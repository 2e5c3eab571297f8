#include "delivery/transport/appendfile.h"

#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "delivery/transport/local_text.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace godwit::delivery {
namespace {

constexpr Millis kLockPoll{200};  // where lock_fcntl_timeout asks to wait for the lock itself
constexpr std::string_view kFrom = "From ";
constexpr std::string_view kEscapedFrom = ">From ";

DeliveryOutcome outcome_of(const MailboxFault& fault) {
  DeliveryOutcome out;
  out.kind = fault.kind;
  out.scope = FailureScope::local;
  out.error_number = fault.error_number;
  out.text = fault.text;
  if (fault.is_quota) {
    out.failure.error = retry::RetryError::quota;
    out.failure.mailbox_idle = fault.idle;
  }
  return out;
}

// A step on the thread pool, with the rights of whoever the mailbox belongs to.
template <class Call>
Task<MailboxStep> on_pool(Loop& loop, const MailboxPlan& plan, Call call) {
  auto step = [&plan, call = std::move(call)]() mutable {
    const ActAs rights(plan.owner);
    return call();
  };
  auto job = blocking(loop, std::move(step));
  MailboxStep fault = co_await job;
  co_return fault;
}

std::optional<int64_t> expanded_size(const acl::Expansion& expansion, acl::EvalContext& evaluation,
                                     std::string& problem) {
  const acl::EvalResult result = expansion.evaluate(evaluation);
  if (!result.ok()) {
    problem = result.text;
    return {};
  }
  const std::string_view text = trim(result.text);
  if (text.empty()) return 0;
  const Result<int64_t> value = config::parse_integer(text);
  if (value && *value >= 0) return *value;
  problem = "malformed value \"" + std::string(text) + "\"";
  return {};
}

}  // namespace

bool is_safe_path(std::string_view path) noexcept {
  if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) return false;
  for (size_t at = 1; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part == "." || part == "..") return false;
    at = end + 1;
  }
  return true;
}

bool is_safe_component(std::string_view part) noexcept {
  return !part.empty() && part.front() != '.' &&
         part.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

Task<DeliveryOutcome> AppendfileTransport::deliver(Loop& loop, LocalDelivery delivery) const {
  Prepared prepared;
  DeliveryOutcome out;
  out.scope = FailureScope::local;
  auto preparing = [&] { return prepare(delivery, prepared); };
  std::optional<Refusal> refusal = co_await on_fiber(preparing);
  if (!refusal) {
    const Result<std::optional<RunAs>> who = co_await run_as(loop, *this, delivery);
    if (!who) {
      refusal.emplace(Refusal{OutcomeKind::deferred, who.error().detail()});
    } else if (*who) {
      prepared.plan.owner = FileOwner{(*who)->user, (*who)->group, (*who)->groups};
    }
  }
  if (refusal) {
    out.kind = refusal->kind;
    out.text = std::move(refusal->text);
    co_return out;
  }
  const std::string path = prepared.plan.path;
  const std::unique_ptr<Mailbox> mailbox =
      prepared.plan.is_maildir ? make_maildir(prepared.plan) : make_mbox(prepared.plan);
  MailboxStep fault = co_await open_mailbox(loop, prepared.plan, *mailbox);
  if (!fault) fault = co_await write_message(loop, *mailbox, prepared, delivery);
  std::string tag;
  if (!fault) fault = expand_tag(delivery, mailbox->bytes_written(), tag);
  if (!fault) {
    auto commit = [&mailbox, &tag] { return mailbox->commit(tag); };
    fault = co_await on_pool(loop, prepared.plan, commit);
  }
  if (fault) {
    auto abandon = [&mailbox] {
      mailbox->abandon();
      return MailboxStep();
    };
    co_await on_pool(loop, prepared.plan, abandon);
    co_return outcome_of(*fault);
  }
  out.kind = OutcomeKind::delivered;
  out.scope = FailureScope::none;
  out.file = path;
  co_return out;
}

// --- Before anything is opened -------------------------------------------------------------------

std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare(
    const LocalDelivery& delivery, Prepared& prepared) const {
  MailboxPlan& plan = prepared.plan;
  const acl::EvalContext& evaluation = delivery.evaluation;
  plan.is_maildir = own_.maildir_format;
  plan.host = evaluation.server == nullptr ? "localhost" : evaluation.server->primary_hostname;
  plan.now = delivery.now;
  plan.mode = static_cast<uint32_t>(own_.mode.bits);
  plan.directory_mode = static_cast<uint32_t>(own_.directory_mode.bits);
  plan.create_directory = own_.create_directory;
  plan.file_must_exist = own_.file_must_exist;
  plan.check_owner = own_.check_owner;
  plan.check_group = own_.check_group;
  plan.mode_fail_narrower = own_.mode_fail_narrower;
  plan.use_lockfile = own_.use_lockfile;
  plan.use_fcntl_lock = own_.use_fcntl_lock;
  plan.use_flock_lock = own_.use_flock_lock;
  plan.lockfile_mode = static_cast<uint32_t>(own_.lockfile_mode.bits);
  plan.lockfile_timeout = own_.lockfile_timeout;
  plan.maildir_retries = own_.maildir_retries;
  plan.quota_is_inclusive = own_.quota_is_inclusive;
  plan.message_bytes = delivery.content.message_bytes();
  std::optional<Refusal> refusal = prepare_path(delivery, prepared);
  if (!refusal) refusal = prepare_quota(delivery, prepared);
  if (!refusal) refusal = prepare_text(delivery, prepared);
  return refusal;
}

// What a stranger chose must stay one component of a path, whatever the pattern does with it.
std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_path(
    const LocalDelivery& delivery, Prepared& prepared) const {
  if (!own_.file.is_set && !own_.directory.is_set) return prepare_named_path(delivery, prepared);
  const bool is_safe = path_.is_constant() || (is_safe_component(delivery.local_part) &&
                                               is_safe_component(delivery.domain));
  if (!is_safe) {
    return Refusal{OutcomeKind::failed,
                   "the address cannot be part of a file name: " + std::string(delivery.address)};
  }
  const acl::EvalResult result = path_.evaluate(delivery.evaluation);
  if (!result.ok()) {
    return Refusal{OutcomeKind::deferred, "failed to expand \"" + std::string(path_.source()) +
                                              "\" for the mailbox: " + result.text};
  }
  prepared.plan.path = result.text;
  while (prepared.plan.path.size() > 1 && prepared.plan.path.ends_with('/')) {
    prepared.plan.path.pop_back();
  }
  if (is_safe_path(result.text)) return {};
  return Refusal{OutcomeKind::deferred, "mailbox name \"" + escape_control(result.text) +
                                            "\" is not absolute or not safe"};
}

// The path that a redirection named.
std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_named_path(
    const LocalDelivery& delivery, Prepared& prepared) const {
  const acl::AddressFacts* address = delivery.evaluation.address;
  std::string path = address == nullptr ? std::string() : address->file;
  const bool is_directory = path.ends_with('/');
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path.empty())
    return Refusal{OutcomeKind::deferred, "mandatory file or directory option not set"};
  if (is_directory != own_.maildir_format)
    return Refusal{OutcomeKind::deferred, is_directory
                                              ? "directories other than maildirs are not available"
                                              : "a maildir cannot be the file " + path};
  prepared.plan.path = path;
  if (is_safe_path(path)) return {};
  return Refusal{OutcomeKind::deferred,
                 "mailbox name \"" + escape_control(path) + "\" is not absolute or not safe"};
}

std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_quota(
    const LocalDelivery& delivery, Prepared& prepared) const {
  std::string problem;
  const auto size_of = [&](const acl::Expansion& expansion) {
    return expanded_size(expansion, delivery.evaluation, problem).value_or(0);
  };
  prepared.plan.quota_bytes = static_cast<uint64_t>(size_of(quota_));
  prepared.plan.quota_files = static_cast<uint64_t>(size_of(quota_filecount_));
  if (!problem.empty()) {
    return Refusal{OutcomeKind::deferred, "quota or size limit of the transport: " + problem};
  }
  return {};
}

std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_text(
    const LocalDelivery& delivery, Prepared& prepared) const {
  const bool is_mbox = !prepared.plan.is_maildir;
  prepared.text.use_crlf = own_.use_crlf;
  if (is_mbox) {
    prepared.prefix = from_line(delivery);
    prepared.suffix = "\n";
    prepared.text.check_string = kFrom;
    prepared.text.escape_string = kEscapedFrom;
  }
  const TextOverride overrides[] = {
      {own_.message_prefix, message_prefix_, prepared.prefix},
      {own_.message_suffix, message_suffix_, prepared.suffix},
      {own_.check_string, check_string_, prepared.text.check_string},
      {own_.escape_string, escape_string_, prepared.text.escape_string}};
  std::string problem = apply_overrides(overrides, delivery.evaluation);
  if (!problem.empty()) return Refusal{OutcomeKind::deferred, std::move(problem)};
  return {};
}

// --- The delivery --------------------------------------------------------------------------------

// Waits for a lock on the loop, so that a busy mailbox does not hold a thread of the pool.
Task<MailboxStep> AppendfileTransport::open_mailbox(Loop& loop, const MailboxPlan& plan,
                                                    Mailbox& mailbox) const {
  const bool is_polled = own_.lock_fcntl_timeout.count > 0 || own_.lock_flock_timeout.count > 0;
  const Millis interval = is_polled ? kLockPoll : Millis(own_.lock_interval);
  const int64_t patience_ms = own_.lock_retries * Millis(own_.lock_interval).count;
  for (int64_t waited_ms = 0;; waited_ms += std::max<int64_t>(1, interval.count)) {
    auto open = [&mailbox] { return mailbox.open(); };
    MailboxStep fault = co_await on_pool(loop, plan, open);
    if (!fault || !fault->is_busy || waited_ms >= patience_ms) co_return fault;
    co_await Sleep(loop.timers(), interval);
  }
}

Task<MailboxStep> AppendfileTransport::write_message(Loop& loop, Mailbox& mailbox,
                                                     const Prepared& prepared,
                                                     const LocalDelivery& delivery) const {
  MailboxText text(prepared.text);
  const MessageContent& content = delivery.content;
  std::string out = prepared.prefix;
  text.add_headers(content.header_section(), out);
  text.add_headers(content.separator(), out);

  if (content.is_in_memory()) {
    auto write = [&]() -> MailboxStep {
      for (const spool::MessageBytes::Chunk& chunk : content.body_chunks()) {
        text.add_body(chunk.view(), out);
        MailboxStep fault = mailbox.append(out);
        if (fault) return fault;
        out.clear();
      }
      text.finish(out);
      out += prepared.suffix;
      return mailbox.append(out);
    };
    MailboxStep fault = co_await on_pool(loop, prepared.plan, write);
    co_return fault;
  }

  std::string page;
  auto write_page = [&] {
    MailboxStep fault = mailbox.append(out);
    out.clear();
    return fault;
  };
  for (uint64_t offset = 0; offset < content.body_bytes();) {
    const Result<std::string_view> piece = co_await content.read_page(offset, page);
    if (!piece || piece->empty()) {
      const std::string why = piece ? "the body is shorter than it was" : piece.error().to_string();
      co_return system_fault(0, "the message could not be read: " + why);
    }
    offset += piece->size();
    text.add_body(*piece, out);
    MailboxStep fault = co_await on_pool(loop, prepared.plan, write_page);
    if (fault) co_return fault;
  }
  text.finish(out);
  out += prepared.suffix;
  MailboxStep fault = co_await on_pool(loop, prepared.plan, write_page);
  co_return fault;
}

// $message_size is what was written.
MailboxStep AppendfileTransport::expand_tag(const LocalDelivery& delivery, uint64_t bytes,
                                            std::string& tag) const {
  if (!own_.maildir_tag.is_set || !own_.maildir_format) return {};
  acl::MessageFacts facts;
  acl::EvalContext& evaluation = delivery.evaluation;
  const acl::MessageFacts* before = evaluation.message;
  if (before != nullptr) facts = *before;
  facts.size = static_cast<int64_t>(bytes);
  evaluation.message = &facts;
  acl::EvalResult result = maildir_tag_.evaluate(evaluation);
  evaluation.message = before;
  if (!result.ok()) return system_fault(0, "failed to expand maildir_tag: " + result.text);
  if (result.text.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
    return system_fault(0, "maildir_tag gives a name with a slash");
  }
  tag = std::move(result.text);
  return {};
}

}  // namespace godwit::delivery
