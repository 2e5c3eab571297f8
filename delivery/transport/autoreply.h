// The autoreply transport: answers with a message of its own. EXIM.md, appendix; RFC 3834 for what
// an automatic answer is. Whom to answer and when not to is for the router to decide.
#pragma once

#include "delivery/transport/answer_fields.h"
#include "delivery/transport/transport.h"

#include <string>

namespace godwit::delivery {

struct AutoreplyOptions {
  config::ExpandText bcc;
  config::ExpandText cc;
  config::ExpandText file;
  bool file_expand = false;
  bool file_optional = false;
  config::ExpandText from;
  config::ExpandText headers;
  config::ExpandText log;
  config::Mode mode;
  config::AddressListText never_mail;
  config::ExpandText once;
  int64_t once_file_size = 0;
  config::ExpandText once_repeat;
  config::ExpandText reply_to;
  bool return_message = false;
  config::ExpandText subject;
  config::ExpandText text;
  config::ExpandText to;
};

class AutoreplyTransport final : public Transport {
 public:
  bool is_remote() const noexcept override { return false; }
  Task<DeliveryOutcome> deliver(Loop& loop, LocalDelivery delivery) const override;

 private:
  friend std::unique_ptr<Transport> make_autoreply_transport(
      const config::Instance& instance, const TransportCompileContext& context);

  // The values of the options for one message.
  struct Answer {
    std::string from, reply_to, to, cc, bcc, subject, headers, text, file, once, once_repeat, log;
    std::vector<std::string> recipients;
    bool is_malformed = false;  // of to, cc and bcc: something is no address
    MoreFields more;            // of headers
    Seconds interval;           // once_repeat
    std::string problem;        // not empty: why there is none
    bool is_final = false;
  };
  Answer answer(const LocalDelivery& delivery) const;
  bool check(const acl::Expansion& option, bool is_free, const acl::EvalResult& result,
             Answer& out) const;
  void choose_recipients(Answer& answer, acl::EvalContext& context) const;
  static std::string log_record(const Answer& answer, const LocalDelivery& delivery);
  std::string header_section(const Answer& answer, const LocalDelivery& delivery) const;
  DeliveryOutcome unopened(const std::string& what, int why) const;
  Task<Result<std::string>> copy_of(const LocalDelivery& delivery) const;

  AutoreplyOptions own_;
  acl::Expansion bcc_, cc_, file_, from_, headers_, log_, once_, once_repeat_, reply_to_, subject_,
      text_, to_;
  std::shared_ptr<const acl::ListPattern> never_mail_;
};

}  // namespace godwit::delivery
