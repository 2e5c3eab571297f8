// The appendfile transport: one mbox file, or new files in a directory: a maildir, mailstore, or
// plain files. Expansions and waiting happen on the loop, everything that touches the disk on its
// thread pool. EXIM.md appendix.
#pragma once

#include "core/io/loop.h"
#include "delivery/transport/mailbox.h"
#include "delivery/transport/mailbox_text.h"
#include "delivery/transport/transport.h"

namespace godwit::delivery {

struct AppendfileOptions {
  bool allow_fifo = false;
  bool allow_symlink = false;
  config::ExpandText batch_id;
  int64_t batch_max = 1;
  bool check_group = false;
  bool check_owner = true;
  config::ExpandText check_string;
  bool create_directory = true;
  config::ExpandText create_file;
  config::ExpandText directory;
  config::ExpandText directory_file;
  config::Mode directory_mode;
  config::ExpandText escape_string;
  config::ExpandText file;
  std::string file_format;
  bool file_must_exist = false;
  Seconds lock_fcntl_timeout;
  Seconds lock_flock_timeout;
  Seconds lock_interval;
  int64_t lock_retries = 0;
  config::Mode lockfile_mode;
  Seconds lockfile_timeout;
  config::ExpandText mailbox_filecount;
  config::ExpandText mailbox_size;
  bool maildir_format = false;
  config::ExpandText maildir_quota_directory_regex;
  int64_t maildir_retries = 0;
  config::ExpandText maildir_tag;
  bool maildir_use_size_file = false;
  config::ExpandText maildirfolder_create_regex;
  bool mailstore_format = false;
  config::ExpandText mailstore_prefix;
  config::ExpandText mailstore_suffix;
  bool mbx_format = false;
  config::ExpandText message_prefix;
  config::ExpandText message_suffix;
  config::Mode mode;
  bool mode_fail_narrower = true;
  bool notify_comsat = false;
  config::ExpandText quota;
  config::ExpandText quota_directory;
  config::ExpandText quota_filecount;
  bool quota_is_inclusive = true;
  config::ExpandText quota_size_regex;
  config::ExpandText quota_warn_message;
  config::ExpandText quota_warn_threshold;
  bool use_bsmtp = false;
  bool use_crlf = false;
  bool use_fcntl_lock = true;
  bool use_flock_lock = false;
  bool use_lockfile = true;
  bool use_mbx_lock = false;
};
std::span<const config::OptionRow<AppendfileOptions>> appendfile_option_rows() noexcept;

class AppendfileTransport final : public Transport {
 public:
  bool is_remote() const noexcept override { return false; }
  Task<DeliveryOutcome> deliver(Loop& loop, LocalDelivery delivery) const override;
  // Looks at the mailbox as it is: does not make it, and waits for no lock.
  Task<bool> is_over_quota(Loop& loop, LocalRecipient recipient,
                           uint64_t message_bytes) const override;
  void find_transports(const TransportSet& all, const config::Instance& instance,
                       config::Diagnostics& diagnostics) override;
  const AppendfileOptions& appendfile() const noexcept { return own_; }

 private:
  friend std::unique_ptr<Transport> make_appendfile_transport(
      const config::Instance& instance, const TransportCompileContext& context);

  enum class Form : uint8_t { mbox, maildir, mailstore, files };
  // What is fixed before anything is opened, or why the delivery cannot be done.
  struct Prepared {
    Form form = Form::mbox;
    uint64_t warn_threshold = 0;  // bytes; 0: nobody is warned
    std::string warning;
    std::string envelope_head;  // mailstore
    std::string envelope_tail;
    MailboxPlan plan;
    MailboxTextOptions text;
    std::string prefix;
    std::string suffix;
  };
  struct Refusal {
    OutcomeKind kind = OutcomeKind::deferred;
    std::string text;
    int error_number = 0;
  };
  // What a mailbox file begins with, and who adds to such a file.
  struct Format {
    std::string head;
    const Transport* transport;
  };

  // Where to, with which rights and limits.
  std::optional<Refusal> prepare_place(const LocalRecipient& recipient, Prepared& prepared) const;
  std::optional<Refusal> prepare_path(const LocalRecipient& recipient, Prepared& prepared) const;
  std::optional<Refusal> prepare_named_path(const LocalRecipient& recipient,
                                            Prepared& prepared) const;
  std::optional<Refusal> prepare_creation(const LocalRecipient& recipient,
                                          Prepared& prepared) const;
  // What is written there.
  std::optional<Refusal> prepare_message(const LocalDelivery& delivery, Prepared& prepared) const;
  std::optional<Refusal> prepare_mailstore(const LocalDelivery& delivery, Prepared& prepared) const;
  // appendfile_quota.cc
  std::optional<Refusal> prepare_quota(const LocalRecipient& recipient, Prepared& prepared) const;
  std::optional<Refusal> prepare_warning(const LocalDelivery& delivery, Prepared& prepared) const;
  Task<void> warn(const LocalDelivery& delivery, const Mailbox& mailbox,
                  const Prepared& prepared) const;
  std::unique_ptr<Mailbox> make_mailbox(const Prepared& prepared) const;
  std::optional<Refusal> prepare_text(const LocalDelivery& delivery, Prepared& prepared) const;
  // The owner, and the transport whose mailbox it is: this one, or with file_format another. Null,
  // and `refusal`, where neither can be told.
  Task<const Transport*> find_owner(Loop& loop, const LocalRecipient& recipient, Prepared& prepared,
                                    std::optional<Refusal>& refusal) const;
  Task<const Transport*> transport_of_file(Loop& loop, const MailboxPlan& plan,
                                           std::optional<Refusal>& refusal) const;
  Task<MailboxStep> open_mailbox(Loop& loop, const MailboxPlan& plan, Mailbox& mailbox) const;
  Task<MailboxStep> write_message(Loop& loop, Mailbox& mailbox, const Prepared& prepared,
                                  const LocalDelivery& delivery) const;
  // What commit() is told: the tag of a maildir file, the name of a plain one, an envelope.
  MailboxStep expand_name(const LocalDelivery& delivery, const Mailbox& mailbox,
                          const Prepared& prepared, std::string& name) const;
  MailboxStep expand_tag(const LocalDelivery& delivery, uint64_t bytes, std::string& tag) const;
  MailboxStep expand_file_name(const LocalDelivery& delivery, const Mailbox& mailbox,
                               std::string& name) const;

  AppendfileOptions own_;
  std::vector<Format> formats_;
  acl::Expansion path_;  // of `file` or `directory`
  acl::Expansion check_string_;
  acl::Expansion escape_string_;
  acl::Expansion maildir_tag_;
  acl::Expansion message_prefix_;
  acl::Expansion message_suffix_;
  acl::Expansion quota_;
  acl::Expansion quota_filecount_;
  acl::Expansion quota_directory_;
  acl::Expansion quota_warn_message_;
  acl::Expansion quota_warn_threshold_;
  acl::Expansion mailbox_size_;
  acl::Expansion mailbox_filecount_;
  acl::Expansion directory_file_;
  acl::Expansion mailstore_prefix_;
  acl::Expansion mailstore_suffix_;
  std::shared_ptr<const acl::Regex> size_regex_;  // null: none
  std::shared_ptr<const acl::Regex> counted_folders_;
  std::shared_ptr<const acl::Regex> folder_file_regex_;
};

// True for a path that a delivery may use: absolute, without NUL, and without "." and ".." parts.
bool is_safe_path(std::string_view path) noexcept;
// True for a part of an address that may become one component of a path.
bool is_safe_component(std::string_view part) noexcept;

}  // namespace godwit::delivery
