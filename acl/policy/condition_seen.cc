// seen = [-]INTERVAL / options: whether a key was met before, or since, that long ago. EXIM.md 2.5.
#include "acl/expand/services.h"
#include "acl/policy/conditions.h"
#include "acl/policy/run.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/hints/database.h"

#include <cstring>

namespace godwit::acl {
namespace {

constexpr Seconds kRefreshAfter{864'000};  // ten days

struct SeenQuestion {
  bool before = false;
  Seconds interval;
  std::string key;
  bool readonly = false;
  bool write = false;
  Seconds refresh = kRefreshAfter;
};

// A question without a variable in it.
struct PreparedSeen final : ConditionData {
  explicit PreparedSeen(SeenQuestion asked) : question(std::move(asked)) {}
  SeenQuestion question;
};

std::optional<std::string> parse_seen(std::string_view text, SeenQuestion& question) {
  SlashReader parts(text);
  std::string_view interval = parts.next();
  question.before = interval.starts_with('-');
  if (question.before) interval.remove_prefix(1);
  const Result<Seconds> time = config::parse_time(trim(interval));
  if (!time) return "\"" + std::string(interval) + "\" is no interval of time";
  question.interval = *time;
  while (!parts.at_end()) {
    const std::string_view option = parts.next();
    if (option == "readonly") {
      question.readonly = true;
    } else if (option == "write") {
      question.write = true;
    } else if (option.starts_with("key=")) {
      question.key = option.substr(4);
    } else if (option.starts_with("refresh=")) {
      const Result<Seconds> refresh = config::parse_time(option.substr(8));
      if (!refresh) return "\"" + std::string(option) + "\" is no interval of time";
      question.refresh = *refresh;
    } else {
      return "unknown option \"" + std::string(option) + "\"";
    }
  }
  return std::nullopt;
}

class Meet final : public hints::Database::Change {
 public:
  Meet(const SeenQuestion& question, WallTime now) : question_(question), now_(now) {}

  bool answer = false;

  std::optional<std::string> operator()(std::optional<std::string_view> value) override {
    std::optional<WallTime> met;
    if (value && value->size() == sizeof(int64_t)) {
      met.emplace();
      std::memcpy(&met->micros, value->data(), sizeof(int64_t));
    }
    const WallTime wanted{now_.micros - question_.interval.count * 1'000'000};
    answer = met && (question_.before ? *met <= wanted : *met >= wanted);
    if (question_.readonly) return std::nullopt;
    if (question_.write || !met || !question_.before) return encoded(now_);
    const bool is_old = answer && now_ - *met > Millis(question_.refresh);
    return is_old ? std::optional<std::string>(encoded(wanted)) : std::nullopt;
  }

 private:
  static std::string encoded(WallTime time) {
    std::string out(sizeof time.micros, '\0');
    std::memcpy(out.data(), &time.micros, sizeof time.micros);
    return out;
  }

  const SeenQuestion& question_;
  WallTime now_;
};

}  // namespace

std::string_view SlashReader::next() noexcept {
  const size_t slash = std::min(rest_.find('/'), rest_.size());
  const std::string_view part = trim(rest_.substr(0, slash));
  rest_.remove_prefix(std::min(slash + 1, rest_.size()));
  return part;
}

std::optional<std::string> prepare_seen(std::string_view value, PreparedData& data) {
  SeenQuestion question;
  std::optional<std::string> problem = parse_seen(value, question);
  if (!problem) data = std::make_shared<const PreparedSeen>(std::move(question));
  return problem;
}

Answer run_seen(AclRun& run, const AclCondition& condition, const std::string& value) {
  SeenQuestion question;
  if (condition.data != nullptr) {
    question = static_cast<const PreparedSeen&>(*condition.data).question;
  } else if (const std::optional<std::string> problem = parse_seen(value, question)) {
    return run.error("\"seen = " + value + "\": " + *problem);
  }
  const Services* services = run.context().services;
  if (services == nullptr || services->seen == nullptr)
    return run.defer("seen: there is no store for it here");
  if (question.key.empty()) {
    const ConnectionFacts* connection = run.context().connection;
    if (connection != nullptr && connection->sender_host)
      question.key = connection->sender_host->address.to_string();
  }
  Meet meet(question, run.context().now);
  const Result<void> done = services->seen->update("seen/" + question.key, meet);
  if (!done) return run.defer("seen: " + done.error().to_string());
  tell(run.context().trace,
       {TraceKind::hints, {}, "seen/" + question.key, meet.answer ? "seen" : "not seen", {}});
  return meet.answer ? Answer::yes : Answer::no;
}

}  // namespace godwit::acl
