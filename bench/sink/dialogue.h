// SinkDialogue: the server's side of one session, bytes in and replies out, without a socket. Says
// when its driver shall wait, read more, or end.
#pragma once

#include "bench/sink/data_scanner.h"
#include "bench/sink/message_check.h"
#include "bench/sink/options.h"
#include "core/base/random.h"

#include <string>
#include <string_view>
#include <vector>

namespace godwit::bench {

// What a dialogue tells of a message, at its end.
struct TakenMessage {
  const MessageCheck& check;
  const std::vector<std::string>& recipients;  // without brackets
  std::string_view client;                     // address
  std::string_view protocol;                   // SMTP, ESMTP or LMTP
  std::string_view helo;
  std::string_view mail_arguments;
  const std::vector<std::string>& rcpt_arguments;
  std::string_view content;  // only where the options ask for a dump
};

class MessageTaker {
 public:
  virtual ~MessageTaker() = default;
  virtual void on_message(const TakenMessage& message) = 0;
  virtual void on_quit() = 0;
};

// The reply to EHLO that these options make.
std::string features_of(const SinkOptions& options, bool offers_tls);

class SinkDialogue {
 public:
  enum class Next : uint8_t {
    input,  // all was read; send output() and read more
    pause,  // send output(), wait for pause_micros(), call resume()
    tls,    // send output(), forget the rest of the input, shake hands, call tls_started()
    end,    // send output() and close
  };

  // The collaborators outlive the dialogue. `features` is the reply to EHLO, made once with
  // features_of(); `client` is the address of the other side.
  SinkDialogue(const SinkOptions& options, std::string_view features, MessageTaker& taker,
               Random& random, std::string client);

  // The greeting.
  Next begin();
  // Takes bytes from the front of `input` until one of the above.
  Next feed(std::string_view& input);
  // After a pause; the rest of the input is to be fed then.
  Next resume();
  // From here on nothing counts that was said in clear. `features`: of EHLO within TLS.
  void tls_started(std::string_view features);

  std::string& output() noexcept { return output_; }
  int64_t pause_micros() const noexcept { return pause_micros_; }

 private:
  enum class Mode : uint8_t { commands, data, chunk };

  Next command(std::string_view line);
  Next answer(Verb verb, std::string_view arguments);
  Next mail(std::string_view arguments);
  Next rcpt(std::string_view arguments);
  Next data();
  Next bdat(std::string_view arguments);
  Next starttls();
  Next data_bytes(std::string_view& input);
  Next chunk_bytes(std::string_view& input);
  Next end_of_message();
  // Faults and delays of the options come here, for every verb.
  Next reply(Verb verb, std::string text);
  Next pause(int64_t micros, std::string held, bool ends);
  std::string text(std::string_view code, std::string_view enhanced, std::string_view words) const;
  std::string greeting() const;
  void start_message();
  void take_content(std::string_view bytes);
  void reset() noexcept;
  int64_t delay_of(Verb verb);

  const SinkOptions& options_;
  std::string_view features_;
  MessageTaker& taker_;
  Random& random_;
  std::string client_;
  std::string output_;
  std::string partial_;  // of a command line
  std::string held_;     // the reply that waits for a pause to end
  std::string helo_;
  std::string mail_arguments_;
  std::vector<std::string> recipients_;
  std::vector<std::string> rcpt_arguments_;
  std::string content_;
  DataScanner scanner_;
  MessageCheck check_;
  uint64_t chunk_left_ = 0;
  int64_t pause_micros_ = 0;
  Mode mode_ = Mode::commands;
  bool is_extended_ = false;
  bool has_mail_ = false;
  bool in_message_ = false;
  bool chunk_is_last_ = false;
  bool chunk_is_refused_ = false;
  bool ends_after_pause_ = false;
  bool starts_tls_ = false;  // once the reply to STARTTLS is out
  bool in_tls_ = false;
};

}  // namespace godwit::bench
