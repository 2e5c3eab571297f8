// The appendfile transport: quotas, and warnings of mailboxes that are nearly full.
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/io/fiber.h"
#include "delivery/transport/appendfile.h"
#include "protocol/message/address_list.h"
#include "protocol/message/fixups.h"
#include "protocol/message/line_ends.h"

#include <array>
#include <charconv>
#include <utility>

namespace godwit::delivery {
namespace {

struct Amount {
  uint64_t value = 0;
  bool delivers = false;    // "/no_check"
  bool is_percent = false;  // "75%"
};

// "10M", "1.5G", "0/no_check".
std::optional<Amount> parse_amount(std::string_view text) {
  Amount out;
  const size_t slash = std::min(text.find('/'), text.size());
  if (slash < text.size()) {
    if (trim(text.substr(slash + 1)) != "no_check") return {};
    out.delivers = true;
  }
  text = trim(text.substr(0, slash));
  if (text.empty()) return out;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > 9e15) return {};
  const std::string unit = to_lower(trim(text.substr(static_cast<size_t>(end - text.data()))));
  constexpr std::array<std::pair<std::string_view, double>, 6> kUnits{
      {{"", 1}, {"%", 1}, {"k", 1024}, {"m", 1048576}, {"g", 1073741824}, {"t", 1099511627776.0}}};
  for (const auto& [name, factor] : kUnits) {
    if (unit != name) continue;
    out.value = static_cast<uint64_t>(number * factor);
    out.is_percent = unit == "%";
    return out;
  }
  return {};
}

// The value of an option; nothing, and `problem`, where it is wrong.
Amount expanded_amount(const acl::Expansion& expansion, std::string_view option,
                       acl::EvalContext& evaluation, std::string& problem) {
  const acl::EvalResult result = expansion.evaluate(evaluation);
  if (!result.ok()) {
    problem = "Expansion of \"" + std::string(expansion.source()) + "\" (" + std::string(option) +
              ") failed: " + result.text;
    return {};
  }
  const std::optional<Amount> amount = parse_amount(result.text);
  if (amount) return *amount;
  problem = "Malformed value \"" + result.text + "\" (expansion of \"" +
            std::string(expansion.source()) + "\") for " + std::string(option);
  return {};
}

constexpr std::string_view kWarningHead =
    "Subject: Your mailbox\n\n"
    "This message is automatically created by mail delivery software.\n\n"
    "The size of your mailbox has exceeded a warning threshold that is\n"
    "set by the system administrator.\n";

bool has_field(std::string_view headers, std::string_view name) {
  for (size_t at = 0; at < headers.size();) {
    if (starts_with_ignore_case(headers.substr(at), name)) return true;
    const size_t end = headers.find('\n', at);
    if (end == std::string_view::npos) return false;
    at = end + 1;
  }
  return false;
}

std::string with_crlf(std::string_view text) {
  std::string out;
  message::append_with_crlf(text, out);
  return out;
}

// The value of the field, with the lines that go on with it.
std::string value_of(std::string_view headers, std::string_view name) {
  for (size_t at = 0; at < headers.size();) {
    size_t end = std::min(headers.find('\n', at), headers.size());
    const bool is_it = starts_with_ignore_case(headers.substr(at), name);
    while (end + 1 < headers.size() && (headers[end + 1] == ' ' || headers[end + 1] == '\t'))
      end = std::min(headers.find('\n', end + 1), headers.size());
    if (is_it) return std::string(headers.substr(at + name.size(), end - at - name.size()));
    at = end + 1;
  }
  return {};
}

}  // namespace

std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_quota(
    const LocalRecipient& recipient, Prepared& prepared) const {
  std::string problem;
  MailboxPlan& plan = prepared.plan;
  acl::EvalContext& evaluation = recipient.evaluation;
  const Amount bytes = expanded_amount(quota_, "quota", evaluation, problem);
  const Amount files = expanded_amount(quota_filecount_, "quota_filecount", evaluation, problem);
  plan.quota_bytes = bytes.value;
  plan.quota_delivers = bytes.delivers;
  plan.quota_files = prepared.form == Form::mbox ? 0 : files.value;
  plan.quota_files_delivers = files.delivers;
  if (own_.mailbox_size.is_set)
    plan.known_bytes = expanded_amount(mailbox_size_, "mailbox_size", evaluation, problem).value;
  if (own_.mailbox_filecount.is_set)
    plan.known_files =
        expanded_amount(mailbox_filecount_, "mailbox_filecount", evaluation, problem).value;
  acl::EvalResult directory = quota_directory_.evaluate(evaluation);
  if (!directory.ok()) problem = "failed to expand quota_directory: " + directory.text;
  plan.quota_directory = std::move(directory.text);
  const bool is_path = plan.quota_directory.empty() || is_safe_path(plan.quota_directory);
  if (problem.empty() && !is_path)
    problem = "quota_directory \"" + plan.quota_directory + "\" is not absolute or not safe";
  if (!problem.empty()) {
    return Refusal{OutcomeKind::deferred, problem + " in " + name_ + " transport"};
  }
  return {};
}

Task<bool> AppendfileTransport::is_over_quota(Loop& loop, LocalRecipient recipient,
                                              uint64_t message_bytes) const {
  Prepared prepared;
  prepared.plan.message_bytes = message_bytes;
  auto preparing = [&] { return prepare_place(recipient, prepared); };
  std::optional<Refusal> refusal = co_await on_fiber(preparing);
  const Transport* owner = nullptr;
  if (!refusal) owner = co_await find_owner(loop, recipient, prepared, refusal);
  if (owner == nullptr) co_return false;
  if (owner != this) {
    recipient.is_handed_over = true;
    const bool is_over = co_await owner->is_over_quota(loop, recipient, message_bytes);
    co_return is_over;
  }
  const std::unique_ptr<Mailbox> mailbox = make_mailbox(prepared);
  auto look = [&]() -> MailboxStep {
    const ActAs rights(prepared.plan.owner);
    return mailbox->check_room();
  };
  auto job = blocking(loop, std::move(look));
  const MailboxStep fault = co_await job;
  co_return fault && fault->is_quota;
}

std::optional<AppendfileTransport::Refusal> AppendfileTransport::prepare_warning(
    const LocalDelivery& delivery, Prepared& prepared) const {
  if (!own_.quota_warn_threshold.is_set) return {};
  std::string problem;
  const Amount limit =
      expanded_amount(quota_warn_threshold_, "quota_warn_threshold", delivery.evaluation, problem);
  if (!problem.empty())
    return Refusal{OutcomeKind::deferred, problem + " in " + name_ + " transport"};
  // A part of a quota that is not there is nothing.
  prepared.warn_threshold =
      limit.is_percent ? prepared.plan.quota_bytes / 100 * limit.value : limit.value;
  if (prepared.warn_threshold == 0) return {};
  prepared.plan.measures = true;
  prepared.warning = "To: " + std::string(delivery.local_part) + "@" +
                     std::string(delivery.domain) + "\n" + std::string(kWarningHead);
  if (!own_.quota_warn_message.is_set) return {};
  acl::EvalResult text = quota_warn_message_.evaluate(delivery.evaluation);
  if (!text.ok())
    return Refusal{OutcomeKind::deferred,
                   "Failed to expand quota_warn_message for " + name_ + " transport: " + text.text};
  prepared.warning = std::move(text.text);
  return {};
}

// A warning, where this message took the mailbox over the threshold. That it cannot be sent does
// not matter to the delivery.
Task<void> AppendfileTransport::warn(const LocalDelivery& delivery, const Mailbox& mailbox,
                                     const Prepared& prepared) const {
  const uint64_t before = mailbox.use_before().bytes;
  const bool crosses = before <= prepared.warn_threshold &&
                       before + mailbox.bytes_written() > prepared.warn_threshold;
  if (!crosses || delivery.injector == nullptr) co_return;
  const size_t end = std::min(prepared.warning.find("\n\n"), prepared.warning.size());
  const std::string_view head = std::string_view(prepared.warning).substr(0, end);
  const std::string_view body =
      std::string_view(prepared.warning).substr(std::min(end + 2, prepared.warning.size()));
  const std::string to = value_of(head, "to:");
  std::vector<std::string> recipients;
  const Result<message::AddressList> parsed =
      message::parse_address_list(to, message::Utf8::allowed);
  if (parsed) {
    for (const message::ListedAddress& item : parsed->addresses)
      recipients.emplace_back(item.address);
  }
  if (recipients.empty()) co_return;
  std::string headers = message::date_field(delivery.now, delivery.evaluation.utc, false);
  const acl::ServerFacts* server = delivery.evaluation.server;
  if (!has_field(head, "from:") && server != nullptr)
    headers += "From: Mail Delivery System <mailer-daemon@" + server->qualify_domain + ">\r\n";
  headers += "Auto-Submitted: auto-replied\r\n" + with_crlf(head) + "\r\n";
  const std::string nobody;
  const Result<void> sent =
      co_await delivery.injector->inject_message(nobody, std::move(recipients), std::move(headers),
                                                 with_crlf(body), delivery.envelope.message_id);
  static_cast<void>(sent);
}

}  // namespace godwit::delivery
