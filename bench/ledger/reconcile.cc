#include "bench/ledger/reconcile.h"

#include "bench/common/json.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <unordered_map>

namespace godwit::bench {
namespace {

constexpr size_t kSamplesMax = 20;

struct CountRow {
  std::string_view name;
  uint64_t Reconciliation::*count;
  std::string_view meaning;
};

constexpr std::array kCounts{
    CountRow{"sent_messages", &Reconciliation::sent_messages, "messages of the source"},
    CountRow{"accepted", &Reconciliation::accepted, "deliveries answered with 250"},
    CountRow{"deferred", &Reconciliation::deferred, "answered with 4xx"},
    CountRow{"refused", &Reconciliation::refused, "answered with 5xx"},
    CountRow{"unknown", &Reconciliation::unknown, "without an answer"},
    CountRow{"received", &Reconciliation::received, "deliveries that the sink took"},
    CountRow{"lost", &Reconciliation::lost, "accepted, never received"},
    CountRow{"duplicated", &Reconciliation::duplicated, "received again"},
    CountRow{"truncated", &Reconciliation::truncated, "messages with a short body"},
    CountRow{"corrupt", &Reconciliation::corrupt, "messages with a wrong body"},
    CountRow{"reordered", &Reconciliation::reordered, "received after a later one of the session"},
    CountRow{"unknown_received", &Reconciliation::unknown_received, "unknown, and received"},
    CountRow{"refused_received", &Reconciliation::refused_received, "not accepted, but received"},
    CountRow{"foreign", &Reconciliation::foreign, "messages of nobody here"},
    CountRow{"bad_lines", &Reconciliation::bad_lines, "unreadable lines"},
};

struct Recipient {
  std::string_view address;
  uint32_t received = 0;
};
struct Message {
  Outcome outcome = Outcome::unknown;
  std::vector<Recipient> recipients;
};
struct TokenHash {
  size_t operator()(const Token& token) const noexcept {
    return std::hash<uint64_t>()(token.sequence ^ uint64_t{token.run} << 32);
  }
};

class Reconciler {
 public:
  Reconciliation run(std::string_view source, std::string_view sink) {
    for_each_line(source, [this](std::string_view line) { add_sent(line); });
    for_each_line(sink, [this](std::string_view line) { add_received(line); });
    for (const auto& [token, message] : messages_) {
      for (const Recipient& recipient : message.recipients) judge(token, message, recipient);
    }
    std::ranges::sort(out_.samples);
    return std::move(out_);
  }

 private:
  template <class F>
  static void for_each_line(std::string_view text, F each) {
    size_t end = 0;
    while ((end = text.find('\n')) != std::string_view::npos) {
      each(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
  }

  void add_sent(std::string_view line) {
    const Result<SentLine> sent = parse_sent(line);
    if (!sent) {
      ++out_.bad_lines;
      return;
    }
    ++out_.sent_messages;
    Message& message = messages_[sent->token];
    message.outcome = sent->outcome;
    for (const std::string_view address : sent->recipients) message.recipients.push_back({address});
  }

  void add_received(std::string_view line) {
    const Result<ReceivedLine> received = parse_received(line);
    if (!received) {
      ++out_.bad_lines;
      return;
    }
    const auto found = received->has_token ? messages_.find(received->token) : messages_.end();
    if (found == messages_.end()) {
      ++out_.foreign;
      return;
    }
    check_body(*received);
    out_.received += received->recipients.size();
    bool is_first = false;
    for (const std::string_view address : received->recipients) {
      const auto recipient =
          std::ranges::find(found->second.recipients, address, &Recipient::address);
      if (recipient == found->second.recipients.end()) {
        ++out_.foreign;
        continue;
      }
      is_first |= recipient->received == 0;
      ++recipient->received;
    }
    if (is_first) check_order(received->token);
  }

  void check_body(const ReceivedLine& received) {
    if (received.check == "ok") return;
    if (received.check == "short") {
      ++out_.truncated;
    } else {
      ++out_.corrupt;
    }
    sample(std::string(received.check) + " " + to_string(received.token));
  }

  void check_order(const Token& token) {
    uint64_t& latest = latest_[uint64_t{token.run} << 32 | token.session];
    if (token.sequence + 1 < latest) ++out_.reordered;
    latest = std::max(latest, token.sequence + 1);
  }

  void judge(const Token& token, const Message& message, const Recipient& recipient) {
    if (recipient.received > 1) out_.duplicated += recipient.received - 1;
    switch (message.outcome) {
      case Outcome::accepted:
        ++out_.accepted;
        if (recipient.received > 0) return;
        ++out_.lost;
        sample("lost " + to_string(token) + " " + std::string(recipient.address));
        return;
      case Outcome::unknown:
        ++out_.unknown;
        if (recipient.received > 0) ++out_.unknown_received;
        return;
      case Outcome::deferred:
      case Outcome::refused:
        ++(message.outcome == Outcome::deferred ? out_.deferred : out_.refused);
        if (recipient.received > 0) ++out_.refused_received;
        return;
    }
  }

  void sample(std::string text) {
    if (out_.samples.size() < kSamplesMax) out_.samples.push_back(std::move(text));
  }

  Reconciliation out_;
  std::unordered_map<Token, Message, TokenHash> messages_;
  std::unordered_map<uint64_t, uint64_t> latest_;  // a session's highest sequence so far, plus 1
};

}  // namespace

Reconciliation reconcile(std::string_view source, std::string_view sink) {
  return Reconciler().run(source, sink);
}

std::string Reconciliation::to_text() const {
  std::string text;
  char line[128];
  for (const CountRow& row : kCounts) {
    std::snprintf(line, sizeof line, "%-18s%10llu  %s\n", std::string(row.name).c_str(),
                  static_cast<unsigned long long>(this->*row.count),
                  std::string(row.meaning).c_str());
    text += line;
  }
  for (const std::string& sample : samples) text += "  " + sample + "\n";
  return text + (is_sound() ? "sound\n" : "NOT SOUND\n");
}

std::string Reconciliation::to_json() const {
  JsonWriter json;
  json.begin_object();
  for (const CountRow& row : kCounts)
    json.integer(row.name, static_cast<int64_t>(this->*row.count));
  json.begin_array("samples");
  for (const std::string& sample : samples) json.string({}, sample);
  json.end_array();
  json.integer("sound", is_sound() ? 1 : 0);
  json.end_object();
  return json.text() + "\n";
}

}  // namespace godwit::bench
