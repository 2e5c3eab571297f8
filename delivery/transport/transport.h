// Transports: what delivers a message to where a router sent it. A Transport is immutable and part
// of the configuration snapshot. There are two kinds: local ones deliver one recipient at a time on
// the thread pool; the remote one is driven by destination queues, which own its connections.
#pragma once

#include "acl/expand/expansion.h"
#include "acl/lists/lists.h"
#include "acl/policy/events.h"
#include "core/config/document.h"
#include "core/config/option.h"
#include "core/io/task.h"
#include "delivery/rewrite/rewrite.h"
#include "delivery/route/router.h"
#include "delivery/transport/command_words.h"
#include "delivery/transport/message_content.h"
#include "delivery/transport/outcome.h"
#include "protocol/smtp/client_engine.h"
#include "protocol/spool_format/envelope.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::delivery {

// The options that every transport has. Rows are in transport_options.cc. EXIM.md 2.8.
struct TransportOptions {
  bool body_only = false;
  config::ExpandText current_directory;
  config::ExpandText debug_print;
  bool delivery_date_add = false;
  bool disable_logging = false;
  bool envelope_to_add = false;
  config::ExpandText event_action;
  config::ExpandText group;
  config::ExpandTexts headers_add;
  bool headers_only = false;
  config::ExpandTexts headers_remove;
  config::ExpandText headers_rewrite;
  config::ExpandText home_directory;
  bool initgroups = false;
  config::ExpandText max_parallel;
  config::ExpandText message_size_limit;
  bool rcpt_include_affixes = false;
  bool retry_use_local_part = false;
  config::ExpandText return_path;
  bool return_path_add = false;
  config::ExpandText tpda_delivery_action;
  config::ExpandText tpda_event_action;
  config::ExpandText shadow_condition;
  std::string shadow_transport;
  config::ExpandText transport_filter;
  Seconds transport_filter_timeout;
  config::ExpandText user;
};
std::span<const config::OptionRow<TransportOptions>> transport_option_rows() noexcept;

// Puts messages that transports make into the queue; the queue implements it.
class MessageInjector {
 public:
  virtual ~MessageInjector() = default;
  // Durable when it completes without error. `reference`: the message that it is about.
  virtual Task<Result<void>> inject_message(std::string sender, std::vector<std::string> recipients,
                                            std::string headers, std::string body,
                                            std::string reference) = 0;
};

// Whom a local delivery is for, and as whom it runs. Everything outlives the task.
struct LocalRecipient {
  std::string_view local_part;  // after prefix and suffix were taken off
  std::string_view domain;
  std::string_view address;      // the whole, as it was accepted
  acl::EvalContext& evaluation;  // with the address in it
  WallTime now;
  // Who the router says that the delivery runs as; the transport's own user and group come first.
  std::optional<uint32_t> user = std::nullopt;
  std::optional<uint32_t> group = std::nullopt;
  bool initgroups = false;                     // the router wants the user's additional groups
  std::span<const uint32_t> never_users = {};  // as whom no delivery runs
  bool is_handed_over = false;  // another transport found that the mailbox is for this one
};

// One recipient of a local delivery, or several where the transport takes them. Everything outlives
// the task.
struct LocalDelivery : LocalRecipient {
  const Envelope& envelope;
  const MessageContent& content;
  std::string_view return_path;         // envelope sender, or the router's errors_to
  MessageInjector* injector = nullptr;  // null: messages cannot be sent from here
  // Of a batch: what RCPT says of each recipient, and each address in full. Empty: `address` alone.
  std::span<const std::string> recipients = {};
  std::span<const std::string> addresses = {};
  std::string_view directory = {};  // where commands run; empty: wherever this process is
};

struct TransportCompileContext {
  const acl::NamedLists& lists;
  config::Diagnostics& diagnostics;

  acl::Expansion expansion(const config::ConfigText& text) const;  // empty where unset or wrong
  std::shared_ptr<const acl::ListPattern> list(config::ListKind kind,
                                               const config::ConfigText& text) const;
};

// The generic options that are expanded for each delivery. Empty where they are not set.
struct GenericExpansions {
  acl::Expansion current_directory;
  acl::Expansion debug_print;
  acl::Expansion group;
  acl::Expansion home_directory;
  acl::Expansion max_parallel;
  acl::Expansion message_size_limit;
  acl::Expansion shadow_condition;
  acl::Expansion user;
  std::vector<CommandWord> filter;  // transport_filter
};

// Which recipients a local transport takes together. Exim's manual, chapter 25.
struct BatchRules {
  size_t max = 1;
  bool mixes_domains = true;
  acl::Expansion id;  // batch_id
  bool has_id = false;
};

class Transport {
 public:
  virtual ~Transport() = default;
  const std::string& name() const noexcept { return name_; }
  const TransportOptions& options() const noexcept { return options_; }
  const std::vector<acl::Expansion>& headers_add() const noexcept { return headers_add_; }
  const std::vector<acl::Expansion>& headers_remove() const noexcept { return headers_remove_; }
  const acl::Expansion& return_path() const noexcept { return return_path_; }
  const acl::EventActions& events() const noexcept { return events_; }
  const GenericExpansions& generic() const noexcept { return generic_; }
  const BatchRules& batching() const noexcept { return batching_; }
  // Null: none.
  const Transport* shadow() const noexcept { return shadow_; }
  // Options ask for more than to hand over the message as it is.
  bool prepares() const noexcept { return prepares_; }
  virtual bool is_remote() const noexcept = 0;
  // Local transports only.
  virtual Task<DeliveryOutcome> deliver(Loop& loop, LocalDelivery delivery) const = 0;
  // Those that take several recipients at a time (batch_max above 1): one outcome each, in order.
  // What is not overridden has one outcome for all.
  virtual Task<std::vector<DeliveryOutcome>> deliver_batch(
      Loop& loop, LocalDelivery delivery, std::vector<smtp::ClientRecipient> recipients) const;
  // Whether a message of so many bytes would be deferred since it exceeds a quota that the
  // transport knows. Delivers and makes nothing; what cannot be told is no.
  virtual Task<bool> is_over_quota(Loop& loop, LocalRecipient recipient,
                                   uint64_t message_bytes) const;
  virtual bool mixes_domains() const noexcept { return batching_.mixes_domains; }
  // Called once, when all transports are there: for options that name others.
  virtual void find_transports(const class TransportSet&, const config::Instance&,
                               config::Diagnostics&) {}
  // A filter that takes too long fails the delivery instead of deferring it.
  virtual bool fails_on_filter_timeout() const noexcept { return false; }
  const rewrite::RewriteRules* headers_rewrite() const noexcept { return headers_rewrite_.get(); }

 protected:
  friend class TransportSet;
  std::string name_;
  TransportOptions options_;
  std::vector<acl::Expansion> headers_add_;
  std::vector<acl::Expansion> headers_remove_;
  acl::Expansion return_path_;
  acl::EventActions events_;
  std::shared_ptr<const rewrite::RewriteRules> headers_rewrite_;  // null: none
  GenericExpansions generic_;
  BatchRules batching_;
  const Transport* shadow_ = nullptr;
  bool prepares_ = false;
};

class TransportSet final : public TransportNames {
 public:
  static std::shared_ptr<const TransportSet> compile(const config::ConfigDocument& document,
                                                     const acl::NamedLists& lists,
                                                     config::Diagnostics& diagnostics);
  int find(std::string_view name) const override;
  bool is_local(int index) const override {
    return at(index) != nullptr && !at(index)->is_remote();
  }
  std::vector<std::string_view> all() const override;
  // Null for a transport whose options were wrong; such a set is never used to deliver.
  const Transport* at(int index) const { return transports_[static_cast<size_t>(index)].get(); }
  size_t size() const noexcept { return transports_.size(); }

 private:
  static void compile_generic(Transport& transport, const config::Instance& instance,
                              const TransportCompileContext& context);
  void find_shadow(Transport& transport, const config::Instance& instance,
                   config::Diagnostics& diagnostics) const;

  std::vector<std::unique_ptr<Transport>> transports_;
  std::vector<std::string> names_;
};

// --- Drivers -------------------------------------------------------------------------------------

struct TransportDriverRow {
  std::string_view name;
  // Reads the options and compiles them; null where they are wrong. A null function is a driver
  // that the language knows and this program does not have yet.
  std::unique_ptr<Transport> (*make)(const config::Instance& instance,
                                     const TransportCompileContext& context);
  std::string_view doc;
  // The driver's own options with their defaults.
  std::unique_ptr<config::OptionBinding> (*options)() = nullptr;
};
std::span<const TransportDriverRow> transport_driver_rows() noexcept;

std::unique_ptr<Transport> make_smtp_transport(const config::Instance& instance,
                                               const TransportCompileContext& context);
std::unique_ptr<Transport> make_appendfile_transport(const config::Instance& instance,
                                                     const TransportCompileContext& context);
std::unique_ptr<Transport> make_lmtp_transport(const config::Instance& instance,
                                               const TransportCompileContext& context);
std::unique_ptr<config::OptionBinding> lmtp_options();
std::unique_ptr<Transport> make_pipe_transport(const config::Instance& instance,
                                               const TransportCompileContext& context);
std::unique_ptr<config::OptionBinding> pipe_options();
std::unique_ptr<Transport> make_autoreply_transport(const config::Instance& instance,
                                                    const TransportCompileContext& context);
std::unique_ptr<config::OptionBinding> autoreply_options();
std::unique_ptr<Transport> make_queuefile_transport(const config::Instance& instance,
                                                    const TransportCompileContext& context);
std::unique_ptr<config::OptionBinding> queuefile_options();
std::unique_ptr<config::OptionBinding> smtp_options();
std::unique_ptr<config::OptionBinding> appendfile_options();

}  // namespace godwit::delivery
