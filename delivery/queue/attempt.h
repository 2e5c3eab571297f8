// DeliveryAttempt: one pass of a message through routers and transports. Gathers the recipients
// that are left, routes them, groups them into transactions, delivers, and settles what comes of
// it: progress in the spool, log lines, retry times, reports. Redirection makes a tree of the
// recipients: one of the envelope is done when all that was generated from it is.
#pragma once

#include "core/io/scope.h"
#include "delivery/queue/active_message.h"
#include "delivery/queue/queue.h"
#include "protocol/report/report.h"

#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace godwit::delivery {

struct DeliveryLineFacts;
struct LocalScene;
class HostClaim;

class DeliveryAttempt {
 public:
  DeliveryAttempt(Queue& queue, ActiveMessage& message);

  using Verdict = AttemptVerdict;
  Task<Verdict> run();
  // event_action after the log says that the message is done; the message may be gone by then.
  Task<void> tell_completed();
  // Gives up: every recipient that is left fails with `why` (-Mg, timeout_frozen_after).
  Task<Verdict> fail_all(std::string why);

 private:
  friend class BatchEvents;
  static constexpr size_t kNone = SIZE_MAX;

  enum class State : uint8_t {
    pending,
    expanded,   // others were generated in its place
    duplicate,  // of another one, whose fate it shares
    delivered,
    discarded,  // by :blackhole:
    deferred,
    failed
  };
  // An address of the envelope, or one that was generated.
  struct Recipient {
    uint32_t index = 0;  // of its ancestor in the envelope
    size_t parent = kNone;
    std::string address;  // or "|command", or a path
    std::string key;      // what it is known by when it is done, and by its duplicates
    std::string orcpt;
    uint8_t dsn_flags = 0;
    GeneratedKind kind = GeneratedKind::address;
    std::optional<std::string> batch_id;  // where the transport has one that expands
    bool mixes_domains = true;            // multi_domain, where that is an expression
    std::string local_part;
    std::string domain;
    State state = State::pending;
    int start_router = 0;
    AddressProperties inherited;
    RouteResult route;
    DeliveryOutcome outcome;
    bool done = false;  // nothing is left to do for it, and its sender knows of a failure
    size_t open_children = 0;
    std::vector<size_t> duplicates;
  };
  // Recipients of one transaction.
  struct Batch {
    const Transport* transport = nullptr;
    SharedHostList hosts;
    std::string return_path;
    uint16_t port = 0;            // where the transport's is an expression
    std::vector<size_t> members;  // indexes into recipients_, whose properties are the same
  };

  void gather();
  Task<Verdict> pass();
  Task<void> route_all();
  Task<void> route(size_t at);
  Task<RouteResult> ask_routers(size_t at);
  // hold_domains and its kin: true where the recipient waits because of its domain.
  Task<bool> is_held(Recipient& recipient, std::string_view option, bool is_set);
  void hold(Recipient& recipient, std::string text, WallTime until);
  void take_route(size_t at);
  void change_header_domain(const Recipient& recipient);
  void note_headers();  // for $h_...
  void apply_header_domain(std::string_view from, std::string_view to);
  void settle_unroutable(Recipient& recipient);
  bool copy_route(Recipient& recipient) const;
  Task<void> transport_hosts(Recipient& recipient);
  SharedHostList find_transport_hosts(const Recipient& recipient, const SmtpTransport& transport);
  // attempt_tree.cc
  std::vector<RouteAncestor> ancestors_of(size_t at) const;
  bool is_duplicate(size_t at);
  bool was_done_before(const Recipient& recipient) const;
  void expand(size_t at);
  void add_children(size_t parent, RouteResult& route);
  void add_copy(size_t at);
  Recipient& add_child(size_t parent, std::string key);
  void place_local_child(size_t at, const GeneratedAddress& child);
  // What is done now, as updates of the spool.
  struct Done {
    std::vector<uint32_t> recipients;
    std::vector<std::string> children;
  };
  void mark_done(size_t at, Done& done);
  // `always`: even where the end of the message is about to say it all.
  void record(const Done& done, bool always = false);
  void replace_one_time();

  std::vector<Batch> batches() const;
  bool fits(const Batch& batch, const Recipient& recipient) const;
  bool fits_locally(const Batch& batch, const Recipient& recipient) const;
  Task<void> find_batch_ids();
  Task<void> find_multi_domain();
  Task<void> look_at_body();
  Task<void> deliver_all(std::vector<Batch> batches);
  Task<void> sort_remote(std::span<Batch> batches);
  Task<void> deliver_in_turn(std::vector<Batch>& batches, size_t& next, size_t end);
  Task<void> deliver(Batch& batch);
  Task<void> deliver_remote(const Batch& batch, const SmtpTransport& transport,
                            const MessageContent& content);
  Task<void> deliver_to_others(RemoteDelivery& delivery, const Batch& batch,
                               const SmtpTransport& transport);
  Task<void> leave_host(const RemoteDelivery& delivery, const std::vector<size_t>& left,
                        const Batch& batch);
  Task<void> deliver_to_fallback(RemoteDelivery& delivery, const Batch& batch,
                                 const SmtpTransport& transport);
  FoundAddresses find_addresses(const std::string& name, const SmtpOptions& smtp,
                                const FindOptions& options, acl::EvalContext& evaluation);
  SharedHostList find_hosts(const std::string& names, const SmtpTransport& transport,
                            acl::EvalContext& evaluation);
  smtp::ClientRecipient recipient_to_send(const Recipient& recipient,
                                          const SmtpTransport& transport) const;
  Task<void> deliver_local(const Batch& batch, const MessageContent& content, LocalScene& scene);
  Task<std::vector<DeliveryOutcome>> run_local(const Batch& batch, const MessageContent& content,
                                               LocalScene& scene);
  Task<void> run_shadow(const Batch& batch, LocalScene& scene,
                        std::vector<DeliveryOutcome>& outcomes);
  Task<bool> wants_shadow(const Batch& batch, LocalScene& scene);

  // attempt_prepare.cc
  std::unique_ptr<LocalScene> scene_of(const Batch& batch);
  std::unique_ptr<LocalScene> scene_at(const Batch& batch, const std::string& host_name,
                                       const Endpoint& host);
  static std::string rcpt_address(const Recipient& recipient, const RouteResult& route,
                                  const Transport& transport);
  std::string envelope_to_line(const Batch& batch) const;
  std::string lines_on_top(const Batch& batch, const acl::EvalContext& evaluation) const;
  bool check_size(const Batch& batch, const MessageContent& content, LocalScene& scene,
                  DeliveryOutcome& trouble) const;
  Task<std::optional<MessageContent>> prepare(Batch& batch, LocalScene& scene,
                                              DeliveryOutcome& trouble);
  Task<std::optional<MessageContent>> filter(const Batch& batch, LocalScene& scene,
                                             const MessageContent& content,
                                             std::vector<std::string> arguments,
                                             DeliveryOutcome& trouble);
  void show_debug_print(const Transport& transport, LocalScene& scene) const;
  Task<std::unique_ptr<HostClaim>> claim_turn(const Batch& batch, LocalScene& scene,
                                              DeliveryOutcome& trouble);

  // attempt_events.cc
  // `is_of_several`: of more recipients than that one, so that there is no one local part.
  Task<std::string> raise(const acl::EventActions& actions, acl::EventFacts event,
                          const Recipient* recipient, const RemoteInfo* remote,
                          bool is_of_several = false);
  const acl::EventActions& main_events() const noexcept;
  bool has_events(const Batch& batch) const noexcept;
  Task<void> tell(const Recipient& recipient);
  Task<void> tell_deferred(const Batch& batch);
  Task<void> tell_unrouted();

  std::string rewritten_section(const rewrite::RewriteRules& rules, std::string section,
                                acl::EvalContext& evaluation) const;
  Task<void> settle_all(const Batch& batch, DeliveryOutcome outcome);
  void show_outcome(const Recipient& recipient) const;
  void settle(Recipient& recipient, DeliveryOutcome outcome, bool& is_first);
  void settle_deferral(Recipient& recipient);
  void remember_failure(Recipient& recipient, WallTime now);
  void record_done(const Batch& batch);
  void log_delivered(const Recipient& recipient, bool is_first);
  void log_deferred(const Recipient& recipient);
  void log_failed(const Recipient& recipient);
  using UndeliveredLine = std::string (*)(const DeliveryLineFacts& facts,
                                          const DeliveryOutcome& outcome,
                                          const config::LogSelectors& selectors);
  void log_undelivered(const Recipient& recipient, LogEvent event, UndeliveredLine make_line);
  // Keys of hints: of routing an address, and of delivering it.
  static std::string routing_key(const Recipient& recipient);
  std::string delivery_key(const Recipient& recipient) const;
  std::string retry_key(const Recipient& recipient) const;
  bool looks_at_hints() const noexcept;
  bool waits_for(Recipient& recipient, const std::string& key);
  // How log lines name it: with the recipient that it was generated from.
  std::string log_address(const Recipient& recipient, bool delivered) const;
  static std::string local_part_of(const Recipient& recipient, const Transport* transport);
  std::string_view return_path_of(const Recipient& recipient) const noexcept;
  acl::AddressFacts address_facts(const Recipient& recipient) const;
  acl::AddressFacts batch_facts(const Batch& batch) const;
  acl::EvalContext evaluation_of(const acl::AddressFacts& address);
  class BatchContent;
  class BatchSide;
  // The content with the header lines that routers and transport add and remove.
  std::optional<MessageContent> content_for(Batch& batch, acl::EvalContext& evaluation,
                                            DeliveryOutcome& trouble) const;
  std::optional<MessageContent> changed_content(const Batch& batch, acl::EvalContext& evaluation,
                                                DeliveryOutcome& trouble) const;

  Task<Verdict> finish();
  Task<bool> report_failures();
  report::ReportedRecipient reported(const Recipient& recipient, report::Action action,
                                     const DeliveryOutcome& outcome) const;
  // Tells of wrong items in redirections.
  Task<void> tell_notices(const RouteResult& route);
  Task<void> report_delay();
  bool wants_warning();
  Task<void> report_success();
  Task<bool> send_report(struct ReportPlan plan);
  Task<std::vector<std::string>> copies_of_report(std::string recipient,
                                                  acl::EvalContext evaluation);
  Task<struct ReportTexts> own_texts(const struct ReportPlan& plan, acl::EvalContext evaluation);
  Task<std::string> body_to_return(bool& cut);
  bool wants_failure_report(const Recipient& recipient) const noexcept;
  bool is_error_ignored(const Recipient& recipient) const;
  void log_ignored(const Recipient& recipient, std::string_view why) const;

  Queue& queue_;
  ActiveMessage& message_;
  acl::MessageFacts facts_;
  acl::ConnectionFacts connection_facts_;
  acl::AclVariables message_variables_;
  acl::AclVariables connection_variables_;
  std::deque<Recipient> recipients_;           // grows while routers run
  std::map<std::string, size_t> first_of_;     // by key: the first with it
  std::map<std::string, size_t> first_local_;  // by address: the first that is delivered here
  Scope scope_;
  WallTime started_;
  size_t unfinished_batches_ = 0;
  bool freeze_ = false;
  bool tells_json_ = false;
  acl::Trace* trace_ = nullptr;  // who follows this message; null: nobody
};

}  // namespace godwit::delivery
