#include "delivery/transport/appendfile.h"

#include "core/base/ascii.h"
#include "core/base/assert.h"
#include "core/io/fiber.h"
#include "delivery/transport/local_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

namespace godwit::delivery {
namespace {

constexpr Millis kLockPoll{200};        // where lock_fcntl_timeout asks to wait for the lock itself
constexpr size_t kFileHeadBytes = 256;  // of what is looked at for file_format
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
  prepared.plan.message_bytes = delivery.content.message_bytes();
  DeliveryOutcome out;
  out.scope = FailureScope::local;
  auto preparing = [&] {
    std::optional<Refusal> problem = prepare_place(delivery, prepared);
    return problem ? std::move(problem) : prepare_message(delivery, prepared);
  };
  std::optional<Refusal> refusal = co_await on_fiber(preparing);
  const Transport* owner = nullptr;
  if (!refusal) owner = co_await find_owner(loop, delivery, prepared, refusal);
  if (refusal) {
    out.kind = refusal->kind;
    out.error_number = refusal->error_number;
    out.text = std::move(refusal->text);
    co_return out;
  }
  if (owner != this) {
    delivery.is_handed_over = true;
    out = co_await owner->deliver(loop, std::move(delivery));
    out.transport = owner->name();
    co_return out;
  }
  const std::string path = prepared.plan.path;
  if (path == "/dev/null") {
    out.kind = OutcomeKind::delivered;
    out.scope = FailureScope::none;
    co_return out;
  }
  const std::unique_ptr<Mailbox> mailbox = make_mailbox(prepared);
  MailboxStep fault = co_await open_mailbox(loop, prepared.plan, *mailbox);
  if (!fault) fault = co_await write_message(loop, *mailbox, prepared, delivery);
  std::string name;
  if (!fault) {
    auto naming = [&] { return expand_name(delivery, *mailbox, prepared, name); };
    fault = co_await on_fiber(naming);
  }
  if (!fault) {
    auto commit = [&mailbox, &name] { return mailbox->commit(name); };
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
  if (prepared.warn_threshold > 0) co_await warn(delivery, *mailbox, prepared);
  out.kind = OutcomeKind::delivered;
  out.scope = FailureScope::none;
  out.file = path;
  co_return out;
}

// --- Before anything is opened -------------------------------------------------------------------

std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_place(
    const LocalRecipient& recipient, Prepared& prepared) const {
  MailboxPlan& plan = prepared.plan;
  const acl::EvalContext& evaluation = recipient.evaluation;
  plan.allow_symlink = own_.allow_symlink;
  plan.allow_fifo = own_.allow_fifo;
  plan.use_size_file = own_.maildir_use_size_file;
  plan.size_regex = size_regex_;
  plan.counted_folders = counted_folders_;
  plan.host = evaluation.server == nullptr ? "localhost" : evaluation.server->primary_hostname;
  plan.now = recipient.now;
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
  plan.use_mbx_lock = own_.use_mbx_lock;
  plan.utc = evaluation.utc;
  plan.lockfile_mode = static_cast<uint32_t>(own_.lockfile_mode.bits);
  plan.lockfile_timeout = own_.lockfile_timeout;
  plan.maildir_retries = own_.maildir_retries;
  plan.quota_is_inclusive = own_.quota_is_inclusive;
  std::optional<Refusal> refusal = prepare_path(recipient, prepared);
  plan.is_maildir = prepared.form == Form::maildir;
  plan.is_mbx = own_.mbx_format && prepared.form == Form::mbox;
  if (!refusal) refusal = prepare_creation(recipient, prepared);
  if (!refusal) refusal = prepare_quota(recipient, prepared);
  return refusal;
}

std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_message(
    const LocalDelivery& delivery, Prepared& prepared) const {
  std::optional<Refusal> refusal = prepare_warning(delivery, prepared);
  if (!refusal) refusal = prepare_mailstore(delivery, prepared);
  if (!refusal) refusal = prepare_text(delivery, prepared);
  return refusal;
}

// What a stranger chose must stay one component of a path, whatever the pattern does with it.
std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_path(
    const LocalRecipient& recipient, Prepared& prepared) const {
  prepared.form = own_.maildir_format     ? Form::maildir
                  : own_.mailstore_format ? Form::mailstore
                  : own_.directory.is_set ? Form::files
                                          : Form::mbox;
  if (!own_.file.is_set && !own_.directory.is_set) return prepare_named_path(recipient, prepared);
  const bool is_safe = path_.is_constant() || (is_safe_component(recipient.local_part) &&
                                               is_safe_component(recipient.domain));
  if (!is_safe) {
    return Refusal{OutcomeKind::failed,
                   "the address cannot be part of a file name: " + std::string(recipient.address)};
  }
  const acl::EvalResult result = path_.evaluate(recipient.evaluation);
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
    const LocalRecipient& recipient, Prepared& prepared) const {
  const acl::AddressFacts* address = recipient.evaluation.address;
  std::string path = address == nullptr ? std::string() : address->file;
  const bool is_directory = path.ends_with('/');
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path.empty())
    return Refusal{OutcomeKind::deferred, "mandatory file or directory option not set"};
  if (is_directory && prepared.form == Form::mbox) prepared.form = Form::files;
  prepared.plan.path = path;
  if (is_safe_path(path)) return {};
  return Refusal{OutcomeKind::deferred,
                 "mailbox name \"" + escape_control(path) + "\" is not absolute or not safe"};
}

std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_text(
    const LocalDelivery& delivery, Prepared& prepared) const {
  prepared.text.use_crlf = own_.use_crlf || prepared.plan.is_mbx;
  if (prepared.form == Form::mbox && !own_.use_bsmtp) {
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
  if (own_.use_bsmtp) wrap_bsmtp(delivery, prepared.text, prepared.prefix, prepared.suffix);
  return {};
}

// create_file: where files may be made.
std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_creation(
    const LocalRecipient& recipient, Prepared& prepared) const {
  MailboxPlan& plan = prepared.plan;
  if (folder_file_regex_ != nullptr && prepared.form == Form::maildir) {
    const Result<bool> matches = folder_file_regex_->search(plan.path);
    if (!matches)
      return Refusal{OutcomeKind::deferred,
                     "maildirfolder_create_regex: " + matches.error().detail()};
    plan.makes_folder_file = *matches;
  }
  const std::string_view where = own_.create_file.text.view();
  if (where == "anywhere") return {};
  const acl::AddressFacts* address = recipient.evaluation.address;
  plan.creation_root = std::string(where);
  if (!where.starts_with('/')) plan.creation_root = address == nullptr ? "" : address->home;
  if (!plan.creation_root->empty()) return {};
  return Refusal{OutcomeKind::deferred,
                 "no home directory for create_file = " + std::string(where)};
}

// The text around sender and recipients in an envelope file. What is forced to fail is left out.
std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_mailstore(
    const LocalDelivery& delivery, Prepared& prepared) const {
  if (prepared.form != Form::mailstore) return {};
  static std::atomic<uint64_t> count{0};
  acl::EvalContext& evaluation = delivery.evaluation;
  acl::AddressFacts address;
  if (evaluation.address != nullptr) address = *evaluation.address;
  prepared.plan.host = delivery.envelope.message_id + "-" + std::to_string(::getpid()) + "-" +
                       std::to_string(count.fetch_add(1));
  address.mailstore_basename = prepared.plan.path + "/" + prepared.plan.host;
  const acl::AddressFacts* before = std::exchange(evaluation.address, &address);
  std::optional<Refusal> refusal;
  for (const auto& [option, text] : {std::pair{&mailstore_prefix_, &prepared.envelope_head},
                                     std::pair{&mailstore_suffix_, &prepared.envelope_tail}}) {
    acl::EvalResult result = option->evaluate(evaluation);
    if (result.status == acl::EvalStatus::forced_fail) continue;
    if (!result.ok() && !refusal)
      refusal = Refusal{OutcomeKind::deferred, "Expansion of \"" + std::string(option->source()) +
                                                   "\" (mailstore) failed: " + result.text};
    *text = std::move(result.text);
    if (!text->empty() && !text->ends_with('\n')) *text += '\n';
  }
  evaluation.address = before;
  return refusal;
}

std::unique_ptr<Mailbox> AppendfileTransport::make_mailbox(const Prepared& prepared) const {
  switch (prepared.form) {
    case Form::maildir:
      return make_maildir(prepared.plan);
    case Form::mailstore:
      return make_mailstore(prepared.plan, prepared.plan.host);
    case Form::files:
      return make_file_directory(prepared.plan);
    case Form::mbox:
      return make_mbox(prepared.plan);
  }
  GODWIT_UNREACHABLE("a form of mailboxes");
}

Task<const Transport*> AppendfileTransport::find_owner(Loop& loop, const LocalRecipient& recipient,
                                                       Prepared& prepared,
                                                       std::optional<Refusal>& refusal) const {
  const Result<std::optional<RunAs>> who = co_await run_as(loop, *this, recipient);
  if (!who) {
    refusal.emplace(Refusal{OutcomeKind::deferred, who.error().detail()});
    co_return nullptr;
  }
  if (*who) prepared.plan.owner = FileOwner{(*who)->user, (*who)->group, (*who)->groups};
  const bool asks = !formats_.empty() && !recipient.is_handed_over && prepared.form == Form::mbox;
  if (!asks) co_return this;
  co_return co_await transport_of_file(loop, prepared.plan, refusal);
}

// file_format. A file that is missing or empty may become whatever this transport writes.
Task<const Transport*> AppendfileTransport::transport_of_file(
    Loop& loop, const MailboxPlan& plan, std::optional<Refusal>& refusal) const {
  std::string head;
  auto read = [&plan, &head]() -> MailboxStep {
    const UniqueFd file(::open(plan.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!file.is_open() && errno == ENOENT) return {};
    head.resize(kFileHeadBytes);
    const ssize_t got = file.is_open() ? ::read(file.get(), head.data(), head.size()) : -1;
    if (got < 0) return system_fault(errno, "failed to open " + plan.path + " to check its format");
    head.resize(static_cast<size_t>(got));
    return {};
  };
  const MailboxStep fault = co_await on_pool(loop, plan, read);
  if (fault) refusal.emplace(Refusal{OutcomeKind::deferred, fault->text, fault->error_number});
  if (fault || head.empty()) co_return this;
  for (const Format& format : formats_) {
    if (head.starts_with(format.head)) co_return format.transport;
  }
  refusal.emplace(
      Refusal{OutcomeKind::deferred, "mailbox file format unrecognized", kErrorUnknownFormat});
  co_return nullptr;
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

MailboxStep AppendfileTransport::expand_name(const LocalDelivery& delivery, const Mailbox& mailbox,
                                             const Prepared& prepared, std::string& name) const {
  switch (prepared.form) {
    case Form::mbox:
      return {};
    case Form::maildir:
      return expand_tag(delivery, mailbox.bytes_written(), name);
    case Form::files:
      return expand_file_name(delivery, mailbox, name);
    case Form::mailstore:
      name = prepared.envelope_head + std::string(delivery.return_path) + "\n";
      for (const std::string& recipient : delivery.recipients) name += recipient + "\n";
      if (delivery.recipients.empty()) name += std::string(delivery.address) + "\n";
      name += prepared.envelope_tail;
      return {};
  }
  return {};
}

// $message_size is what was written.
MailboxStep AppendfileTransport::expand_tag(const LocalDelivery& delivery, uint64_t bytes,
                                            std::string& tag) const {
  if (!own_.maildir_tag.is_set) return {};
  acl::MessageFacts facts;
  acl::EvalContext& evaluation = delivery.evaluation;
  const acl::MessageFacts* before = evaluation.message;
  if (before != nullptr) facts = *before;
  facts.size = static_cast<int64_t>(bytes);
  evaluation.message = &facts;
  acl::EvalResult result = maildir_tag_.evaluate(evaluation);
  evaluation.message = before;
  if (result.status == acl::EvalStatus::forced_fail) return {};
  if (!result.ok()) return system_fault(0, "failed to expand maildir_tag: " + result.text);
  for (const char c : result.text) {
    if (c == '/') return system_fault(0, "maildir_tag gives a name with a slash");
    if (c > ' ' && c < '\x7f') tag += c;
  }
  if (!tag.empty() && is_alnum(tag.front())) tag.insert(tag.begin(), ':');
  return {};
}

// directory_file. $inode is that of the file under its first name.
MailboxStep AppendfileTransport::expand_file_name(const LocalDelivery& delivery,
                                                  const Mailbox& mailbox, std::string& name) const {
  acl::EvalContext& evaluation = delivery.evaluation;
  acl::AddressFacts address;
  if (evaluation.address != nullptr) address = *evaluation.address;
  address.inode = mailbox.inode();
  const acl::AddressFacts* before = std::exchange(evaluation.address, &address);
  acl::EvalResult result = directory_file_.evaluate(evaluation);
  evaluation.address = before;
  if (!result.ok())
    return system_fault(0, "failed to expand \"" + std::string(directory_file_.source()) +
                               "\" for the file name: " + result.text);
  const bool is_name = is_safe_component(result.text);
  if (!is_name)
    return system_fault(0, "directory_file gives no file name: " + escape_control(result.text));
  name = std::move(result.text);
  return {};
}

}  // namespace godwit::delivery
