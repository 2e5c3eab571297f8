// ratelimit = LIMIT / PERIOD / options / KEY: true where events of the key come faster than LIMIT
// in PERIOD. EXIM.md 2.5.
#include "acl/expand/findings.h"
#include "acl/expand/services.h"
#include "acl/policy/conditions.h"
#include "acl/policy/rates.h"
#include "acl/policy/run.h"
#include "core/base/ascii.h"
#include "core/config/values.h"
#include "core/hints/database.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace godwit::acl {
namespace {

using enum AclWhere;

enum class Measure : uint8_t { connections, messages, bytes, recipients, addresses, commands };
struct MeasureRow {
  std::string_view name;
  Measure measure;
  WhereMask counts_in;  // elsewhere the rate is only read
};
constexpr WhereMask kMessage = only({mail, rcpt, predata, mime, data, not_smtp});
constexpr std::array kMeasures{
    MeasureRow{"per_conn", Measure::connections, all_but({not_smtp, not_smtp_start})},
    MeasureRow{"per_mail", Measure::messages, kMessage},
    MeasureRow{"per_byte", Measure::bytes, kMessage},
    MeasureRow{"per_rcpt", Measure::recipients, only({rcpt, predata, mime, data})},
    MeasureRow{"per_addr", Measure::addresses, only({rcpt})},
    MeasureRow{"per_cmd", Measure::commands, kAnywhere},
};

enum class Update : uint8_t { unset, leaky, strict, readonly };

struct RateQuestion {
  double limit = 0;
  std::string limit_text;
  Seconds period;
  std::string period_text;
  const MeasureRow* measure = nullptr;
  Update update = Update::unset;
  bool no_update = false;
  std::optional<double> count;
  std::optional<std::string> unique;
  std::string key;
};

// A question without a variable in it.
struct PreparedRate final : ConditionData {
  explicit PreparedRate(RateQuestion asked) : question(std::move(asked)) {}
  RateQuestion question;
};

// A number that may have a fraction and K, M or G.
std::optional<double> parse_amount(std::string_view text) {
  const std::string copy(trim(text));
  char* end = nullptr;
  double value = std::strtod(copy.c_str(), &end);
  if (end == copy.c_str() || !std::isfinite(value)) return std::nullopt;
  constexpr std::string_view kUnits = "KMG";
  const size_t unit = *end == '\0' ? std::string_view::npos : kUnits.find(to_upper(*end));
  if (*end != '\0' && (unit == std::string_view::npos || end[1] != '\0')) return std::nullopt;
  for (size_t i = 0; unit != std::string_view::npos && i <= unit; ++i) value *= 1024;
  return value;
}

class RateParser {
 public:
  RateQuestion question;
  std::string problem;

  bool run(std::string_view text) {
    SlashReader parts(text);
    question.limit_text = parts.next();
    const std::optional<double> limit = parse_amount(question.limit_text);
    if (!limit || *limit < 0) return wrong("\"" + question.limit_text + "\" is no limit");
    question.limit = *limit;
    question.period_text = parts.next();
    const Result<Seconds> period = config::parse_time(question.period_text);
    if (!period || period->count <= 0)
      return wrong("\"" + question.period_text + "\" is no period of time");
    question.period = *period;
    while (!parts.at_end()) {
      const std::string_view rest = parts.rest();
      if (take_option(parts.next())) {
        if (problem.empty()) continue;
        return false;
      }
      // What is no option is the key, slashes and all.
      question.key = trim(rest);
      return true;
    }
    return true;
  }

 private:
  bool wrong(std::string what) {
    problem = std::move(what);
    return false;
  }
  bool take_option(std::string_view word) {
    for (const MeasureRow& row : kMeasures) {
      if (row.name != word) continue;
      if (question.measure != nullptr) wrong("conflicting per_* options");
      question.measure = &row;
      return true;
    }
    if (word == "strict") return take_update(Update::strict);
    if (word == "leaky") return take_update(Update::leaky);
    if (word == "readonly") return take_update(Update::readonly);
    if (word == "noupdate") return question.no_update = true;
    if (word.starts_with("unique=")) {
      question.unique = std::string(word.substr(7));
      return true;
    }
    if (word.starts_with("count=")) {
      question.count = parse_amount(word.substr(6));
      if (!question.count || *question.count < 0)
        wrong("\"" + std::string(word) + "\" is no count");
      return true;
    }
    return false;
  }
  bool take_update(Update update) {
    if (question.update != Update::unset) wrong("conflicting update modes");
    question.update = update;
    return true;
  }
};

// How much the event under way weighs.
double weight_of(const RateQuestion& question, AclRun& run) {
  if (question.count) return *question.count;
  const MessageFacts* message = run.context().message;
  if (message == nullptr) return 1;
  if (question.measure->measure == Measure::bytes)
    return static_cast<double>(std::max<int64_t>(message->size, 0));
  if (question.measure->measure == Measure::recipients && run.where() != rcpt)
    return static_cast<double>(message->recipients.size());
  return 1;
}

// Where a rate that was counted for the same event is kept.
Findings::Rates& counted_rates(const RateQuestion& question, AclRun& run) {
  Findings& findings = run.context().findings;
  switch (question.measure->measure) {
    case Measure::connections:
      return findings.connection_rates;
    case Measure::messages:
    case Measure::bytes:
      return findings.message_rates;
    case Measure::recipients:
      return run.where() == rcpt ? findings.command_rates : findings.message_rates;
    case Measure::addresses:
    case Measure::commands:
      return findings.command_rates;
  }
  return findings.command_rates;
}

// One step on the record of a key.
class CountEvent final : public hints::Database::Change {
 public:
  CountEvent(const RateEvent& event, WallTime now) : event_(event), now_(now) {}

  std::optional<std::string> operator()(std::optional<std::string_view> value) override {
    std::optional<RateRecord> record = value ? decode_rate(*value) : std::nullopt;
    if (event_.is_read_only) {
      rate = record ? record->rate : 0;
      return std::nullopt;
    }
    RateRecord next = rate_after(record, event_.count, event_.period, now_);
    if (event_.unique && is_repeated(next, *event_.unique, event_.period, now_)) {
      // Seen before: the rate stays, as a look without counting would find it.
      rate = record ? record->rate : 0;
      return std::nullopt;
    }
    rate = next.rate;
    const bool is_over = rate >= event_.limit;
    if (event_.is_kept_as_it_was || (is_over && event_.is_leaky)) return std::nullopt;
    return encode_rate(next);
  }

  double rate = 0;

 private:
  const RateEvent& event_;
  WallTime now_;
};

Result<double> count_event(const RateEvent& event, AclRun& run) {
  const Services& services = *run.context().services;
  if (services.shared_rates != nullptr) return services.shared_rates->count(event);
  CountEvent change(event, run.context().now);
  const Result<void> done = services.rates->update("ratelimit/" + event.key, change);
  if (!done) return done.error();
  return change.rate;
}

// Modes that do not fit the ACL, and defaults.
bool complete(RateQuestion& question, AclRun& run, std::string& problem) {
  if (question.measure == nullptr) question.measure = &kMeasures[1];
  if (question.measure->measure == Measure::addresses && !question.unique) {
    const AddressFacts* address = run.context().address;
    if (address != nullptr) question.unique = address->local_part + "@" + address->domain;
  }
  const bool counts = (question.measure->counts_in & where_bit(run.where())) != 0;
  if (!counts && (question.update == Update::strict || question.update == Update::leaky)) {
    problem = std::string(question.measure->name) + " can only be read in the " +
              std::string(acl_where_name(run.where())) + " ACL";
    return false;
  }
  if (question.update == Update::unset) question.update = counts ? Update::leaky : Update::readonly;
  if (question.key.empty()) {
    const ConnectionFacts* connection = run.context().connection;
    if (connection != nullptr && connection->sender_host)
      question.key = connection->sender_host->address.to_string();
  }
  return true;
}

}  // namespace

std::optional<std::string> prepare_ratelimit(std::string_view value, PreparedData& data) {
  RateParser parser;
  if (!parser.run(value)) return parser.problem;
  data = std::make_shared<const PreparedRate>(std::move(parser.question));
  return std::nullopt;
}

Answer run_ratelimit(AclRun& run, const AclCondition& condition, const std::string& value) {
  RateParser parser;
  RateQuestion& question = parser.question;
  if (condition.data != nullptr) {
    question = static_cast<const PreparedRate&>(*condition.data).question;
  } else if (!parser.run(value)) {
    return run.error("\"ratelimit = " + value + "\": " + parser.problem);
  }
  if (!complete(question, run, parser.problem))
    return run.error("\"ratelimit = " + value + "\": " + parser.problem);
  const Services* services = run.context().services;
  if (services == nullptr || (services->rates == nullptr && services->shared_rates == nullptr))
    return run.defer("ratelimit: there is no store for rates here");
  Findings& findings = run.context().findings;
  const std::string key = question.period_text + "/" + std::string(question.measure->name) +
                          (question.unique ? "/unique" : "") + "/" + question.key;
  Findings::Rates& counted = counted_rates(question, run);
  // per_cmd and unique events count each time that they are asked.
  const bool counts_once = question.measure->measure != Measure::commands && !question.unique &&
                           question.update != Update::readonly;
  const auto known = counts_once ? counted.find(key) : counted.end();
  double rate = 0;
  if (known != counted.end()) {
    rate = known->second;
  } else {
    RateEvent event{key, weight_of(question, run), question.period, question.limit};
    event.is_leaky = question.update == Update::leaky;
    event.is_read_only = question.update == Update::readonly;
    event.is_kept_as_it_was = question.no_update;
    event.unique = question.unique;
    const Result<double> counted_rate = count_event(event, run);
    if (!counted_rate) return run.defer("ratelimit: " + counted_rate.error().to_string());
    rate = *counted_rate;
    if (counts_once) counted.insert_or_assign(key, rate);
  }
  char text[64];
  std::snprintf(text, sizeof text, "%.1f", rate);
  tell(run.context().trace, {TraceKind::hints, {}, key, text, {}});
  findings.sender_rate = text;
  findings.sender_rate_limit = question.limit_text;
  findings.sender_rate_period = question.period_text;
  return rate < question.limit ? Answer::no : Answer::yes;
}

}  // namespace godwit::acl
