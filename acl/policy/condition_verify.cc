// verify = item/options: what a row of kItems knows to verify. EXIM.md 2.5.
#include "acl/expand/client.h"
#include "acl/expand/services.h"
#include "acl/policy/client_authorization.h"
#include "acl/policy/conditions.h"
#include "acl/policy/run.h"
#include "acl/policy/verify_headers.h"
#include "core/base/ascii.h"
#include "core/config/values.h"

#include <algorithm>
#include <array>
#include <vector>

namespace godwit::acl {
namespace {

using enum AclWhere;

// The value, parsed.
struct Verification {
  std::string name;
  std::string address;  // sender=address
  bool has_address = false;
  bool defer_ok = false;
  bool no_details = false;
  bool case_insensitive = false;
  bool success_on_redirect = false;
  std::optional<CalloutOptions> callout;
  std::optional<QuotaOptions> quota;
  std::string options;  // as they were written, for the cache

  CalloutOptions& callout_options() {
    if (!callout) callout.emplace();
    return *callout;
  }
};

struct ItemRow {
  std::string_view name;
  WhereMask legal;
  bool has_options;                                       // those of addresses
  Answer (*run)(AclRun& run, const Verification& asked);  // null: not available yet
  std::string_view missing = {};                          // and why
};

// --- Options -------------------------------------------------------------------------------------

struct CalloutFlag {
  std::string_view name;
  bool CalloutOptions::*flag;
};
constexpr auto kCalloutFlags = std::to_array<CalloutFlag>({
    {"defer_ok", &CalloutOptions::defer_ok},
    {"no_cache", &CalloutOptions::no_cache},
    {"random", &CalloutOptions::random},
    {"use_sender", &CalloutOptions::use_sender},
    {"use_postmaster", &CalloutOptions::use_postmaster},
    {"hold", &CalloutOptions::hold},
});

using Problem = std::optional<std::string>;

Problem not_known(std::string_view option) {
  return "unknown option \"" + std::string(option) + "\"";
}

Problem take_time(std::string_view text, std::optional<Seconds>& time) {
  const Result<Seconds> parsed = config::parse_time(trim(text));
  if (!parsed) return "bad time value \"" + std::string(text) + "\"";
  time = *parsed;
  return std::nullopt;
}

Problem take_life(std::string_view text, Seconds& life) {
  std::optional<Seconds> time;
  Problem wrong = take_time(text, time);
  if (time) life = *time;
  return wrong;
}

Problem take_callout_option(std::string_view option, CalloutOptions& callout) {
  for (const CalloutFlag& row : kCalloutFlags) {
    if (row.name != option) continue;
    callout.*row.flag = true;
    return std::nullopt;
  }
  const size_t equals = std::min(option.find('='), option.size());
  const std::string_view name = trim(option.substr(0, equals));
  const std::string_view value = trim(option.substr(std::min(equals + 1, option.size())));
  if (name == "postmaster" || name == "fullpostmaster") {
    callout.postmaster = true;
    callout.full_postmaster = name == "fullpostmaster";
    callout.postmaster_mailfrom.reset();
    return std::nullopt;
  }
  if (name == "connect") return take_time(value, callout.connect);
  if (name == "maxwait") return take_time(value, callout.maxwait);
  if (name == "mailfrom") {
    callout.mailfrom = std::string(value);
    return std::nullopt;
  }
  if (name == "postmaster_mailfrom") {
    callout.postmaster = true;
    callout.postmaster_mailfrom = std::string(value);
    return std::nullopt;
  }
  return take_life(option, callout.timeout);
}

Problem take_quota_option(std::string_view option, QuotaOptions& quota) {
  const size_t equals = std::min(option.find('='), option.size());
  const std::string_view name = trim(option.substr(0, equals));
  const std::string_view value = option.substr(std::min(equals + 1, option.size()));
  if (name == "cachepos") return take_life(value, quota.positive);
  if (name == "cacheneg") return take_life(value, quota.negative);
  if (option != "no_cache") return not_known(option);
  quota = {Seconds{0}, Seconds{0}};
  return std::nullopt;
}

// "option,option" for `take`, which gets `options` as well.
template <class Options>
Problem take_list(std::string_view list, Options& options,
                  Problem (*take)(std::string_view option, Options& options)) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view option = trim(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (option.empty()) continue;
    if (Problem wrong = take(option, options)) return wrong;
  }
  return std::nullopt;
}

Problem take_option(std::string_view option, Verification& asked) {
  const size_t equals = option.find('=');
  const std::string_view name = trim(option.substr(0, equals));
  const bool has_list = equals != std::string_view::npos;
  const std::string_view list = has_list ? option.substr(equals + 1) : std::string_view();
  if (option == "defer_ok") {
    asked.defer_ok = true;
  } else if (option == "no_details") {
    asked.no_details = true;
  } else if (option == "success_on_redirect") {
    asked.success_on_redirect = true;
  } else if (option == "callout_defer_ok") {
    asked.callout_options().defer_ok = true;
  } else if (option == "check_postmaster") {
    asked.callout_options().postmaster = true;
  } else if (name == "callout") {
    return take_list(list, asked.callout_options(), take_callout_option);
  } else if (name == "quota") {
    asked.quota.emplace();
    return take_list(list, *asked.quota, take_quota_option);
  } else {
    return not_known(option);
  }
  return std::nullopt;
}

// Parts between single slashes; a doubled slash is one.
std::vector<std::string> split_slashes(std::string_view text) {
  std::vector<std::string> out(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '/') {
      out.back() += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '/') {
      out.back() += text[++i];
    } else {
      out.emplace_back();
    }
  }
  return out;
}

const ItemRow* find_item(std::string_view name) noexcept;

Problem parse_verification(std::string_view value, Verification& asked, const ItemRow*& row) {
  const std::vector<std::string> parts = split_slashes(trim(value));
  const std::string_view first = trim(parts.front());
  const size_t equals = first.find('=');
  asked.name = to_lower(trim(first.substr(0, equals)));
  row = find_item(asked.name);
  if (row == nullptr)
    return "expected \"sender[=address]\", \"recipient\", \"helo\", \"header_syntax\", "
           "\"header_sender\", \"header_names_ascii\" or \"reverse_host_lookup\" at start of ACL "
           "condition \"verify " +
           std::string(value) + "\"";
  if (row->run == nullptr)
    return "\"verify = " + asked.name + "\" is not available yet: " + std::string(row->missing);
  if (asked.name == "csa") {  // whatever follows is a domain
    const std::string_view text = trim(value);
    asked.address = std::string(trim(text.substr(std::min(text.find('/'), text.size() - 1) + 1)));
    return std::nullopt;
  }
  if (equals != std::string_view::npos) {
    if (asked.name != "sender") return "\"" + asked.name + "\" takes no value";
    asked.address = std::string(trim(first.substr(equals + 1)));
    asked.has_address = true;
  }
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string option(trim(parts[i]));
    asked.options += "/" + option;
    if (asked.name == "not_blind" && option == "case_insensitive") {
      asked.case_insensitive = true;
    } else if (asked.name == "reverse_host_lookup" && option == "defer_ok") {
      asked.defer_ok = true;
    } else if (!row->has_options) {
      return not_known(option);
    } else if (Problem wrong = take_option(option, asked)) {
      return wrong;
    }
  }
  if (asked.callout && asked.callout->mailfrom && asked.name != "header_sender")
    return "\"mailfrom\" is allowed only for header_sender";
  if (asked.quota && asked.name != "recipient") return "can only verify quota of recipient";
  const bool of_recipient = asked.callout && (asked.callout->use_sender ||
                                              asked.callout->use_postmaster || asked.callout->hold);
  if (of_recipient && asked.name != "recipient")
    return "\"use_sender\", \"use_postmaster\" and \"hold\" are allowed only for recipient";
  return std::nullopt;
}

// --- Items ---------------------------------------------------------------------------------------

Answer verify_reverse(AclRun& run, const Verification& asked) {
  EvalContext& context = run.context();
  if (context.connection == nullptr || !context.connection->sender_host) return Answer::yes;
  if (!context.connection->sender_host_name.empty()) return Answer::yes;
  if (context.client == nullptr) return run.defer("the client's name cannot be asked for here");
  switch (context.client->find_name(context)) {
    case ClientIdentity::Name::found:
      return Answer::yes;
    case ClientIdentity::Name::none:
      return run.fail(
          "host lookup failed for reverse lookup check",
          "host lookup failed for reverse lookup check (" + context.client->problem() + ")");
    case ClientIdentity::Name::deferred:
      break;
  }
  if (asked.defer_ok) return Answer::yes;
  return run.defer("host lookup deferred for reverse lookup check");
}

Answer verify_helo(AclRun& run, const Verification&) {
  EvalContext& context = run.context();
  if (context.connection == nullptr || !context.connection->sender_host) return Answer::yes;
  if (context.client == nullptr) return Answer::no;
  return context.client->verify_helo(context) ? Answer::yes : Answer::no;
}

Answer verify_certificate(AclRun& run, const Verification&) {
  const ConnectionFacts* connection = run.context().connection;
  const bool good = connection != nullptr && connection->tls_in.certificate_verified;
  return good ? Answer::yes : run.fail("no verified certificate");
}

std::string_view headers_of(AclRun& run) {
  const MessageFacts* message = run.context().message;
  return message == nullptr ? std::string_view() : std::string_view(message->headers);
}

// The reason is for the client only where smtp_return_error_details says so.
Answer answer_of(AclRun& run, const std::optional<std::string>& problem) {
  if (!problem) return Answer::yes;
  const ServerFacts* server = run.context().server;
  const bool tells = server != nullptr && server->return_error_details;
  Answer answer = run.fail(tells ? "Rejected after DATA: " + *problem : std::string(), *problem);
  return answer;
}

Answer verify_header_syntax(AclRun& run, const Verification&) {
  const ConnectionFacts* connection = run.context().connection;
  const bool is_local = connection == nullptr || !connection->sender_host;
  const UnqualifiedAllowed allowed{is_local || connection->unqualified_sender,
                                   is_local || connection->unqualified_recipient};
  return answer_of(run, bad_header_syntax(headers_of(run), allowed));
}

Answer verify_header_names(AclRun& run, const Verification&) {
  return answer_of(run, bad_header_name(headers_of(run)));
}

Answer verify_not_blind(AclRun& run, const Verification& asked) {
  const MessageFacts* message = run.context().message;
  if (message == nullptr) return Answer::yes;
  return answer_of(run,
                   blind_recipient(message->headers, message->recipients, asked.case_insensitive));
}

// The domain of the value, else the HELO name, else the client's address.
Answer verify_authorization(AclRun& run, const Verification& asked) {
  EvalContext& context = run.context();
  Authorized verdict = Authorized::unknown;
  if (context.connection != nullptr && context.connection->sender_host) {
    std::string domain = asked.address;
    if (domain.empty()) domain = context.connection->sender_helo_name;
    if (domain.empty()) domain = context.connection->sender_host->address.to_string();
    verdict = authorize_client(domain, context);
  }
  const AuthorizedRow& row = authorized_row(verdict);
  context.findings.csa_status = row.status;
  const Answer failed = run.fail("client SMTP authorization " + std::string(row.reason));
  return row.answer == Answer::no ? failed : row.answer;  // the words are there either way
}

// --- Addresses -----------------------------------------------------------------------------------

using Verdict = AddressVerifier::Verdict;

AddressVerifier::Answer ask(AclRun& run, const Verification& asked, const std::string& address,
                            bool is_sender) {
  EvalContext& context = run.context();
  AddressVerifier* verifier = context.services == nullptr ? nullptr : context.services->verifier;
  if (verifier == nullptr) {
    AddressVerifier::Answer answer;
    answer.log_message = "addresses cannot be verified here";
    return answer;
  }
  AddressVerifier::Question question;
  question.address = address;
  question.is_sender = is_sender;
  question.success_on_redirect = asked.success_on_redirect;
  question.callout = asked.callout;
  question.quota = asked.quota;
  const std::string mode = std::exchange(context.verify_mode, is_sender ? "S" : "R");
  AddressVerifier::Answer answer = verifier->verify(question, context);
  context.verify_mode = mode;
  if (context.trace != nullptr) {
    std::string_view result = "verified";
    if (answer.verdict != Verdict::ok)
      result = answer.log_message.empty() ? answer.user_message : answer.log_message;
    context.trace->event(
        {TraceKind::verify, is_sender ? "sender" : "recipient", address, result, {}});
  }
  const bool is_excused =
      asked.defer_ok || (asked.callout && asked.callout->defer_ok && answer.is_callout);
  if (answer.verdict == Verdict::deferred && is_excused) answer.verdict = Verdict::ok;
  return answer;
}

Findings::Verified remembered(AddressVerifier::Answer answer) {
  Findings::Verified out;
  out.ok = answer.verdict == Verdict::ok;
  out.deferred = answer.verdict == Verdict::deferred;
  out.is_callout = answer.is_callout;
  out.user_message = std::move(answer.user_message);
  out.log_message = answer.log_message.empty() ? out.user_message : std::move(answer.log_message);
  out.failure_kind = std::move(answer.failure_kind);
  out.address_data = std::move(answer.address_data);
  return out;
}

Answer verify_sender(AclRun& run, const Verification& asked) {
  EvalContext& context = run.context();
  const std::string address = asked.has_address            ? asked.address
                              : context.message != nullptr ? context.message->sender_address
                                                           : std::string();
  if (address.empty()) return Answer::yes;
  Findings& findings = context.findings;
  const std::string key = address + asked.options;
  auto known = findings.verified_senders.find(key);
  if (known == findings.verified_senders.end()) {
    known =
        findings.verified_senders.emplace(key, remembered(ask(run, asked, address, true))).first;
  }
  const Findings::Verified& found = known->second;
  findings.sender_address_data = found.address_data;
  findings.sender_verify_failure = found.failure_kind;
  if (found.ok) return Answer::yes;
  if (!asked.no_details) {
    run.outcome().sender_failure = SenderFailure{address, found.deferred, found.log_message,
                                                 found.user_message, found.failure_kind};
  }
  if (!found.deferred) return run.fail("Sender verify failed");
  constexpr std::string_view kCallout = "Could not complete sender verify callout";
  if (found.is_callout) return run.defer(std::string(kCallout), std::string(kCallout));
  return run.defer("Could not complete sender verify");
}

// No words for the client: how full mailboxes are is nobody's business.
Answer answer_quota(AclRun& run, const Findings::Verified& found) {
  if (found.ok) return Answer::yes;
  if (found.deferred) return run.defer({}, found.log_message);
  run.context().findings.recipient_verify_failure = found.failure_kind;
  run.context().acl_verify_message = found.log_message;
  return run.fail({}, found.log_message);
}

Answer verify_recipient(AclRun& run, const Verification& asked) {
  EvalContext& context = run.context();
  if (context.address == nullptr) return run.error("there is no recipient to verify");
  const std::string local = context.address->original_local_part.empty()
                                ? context.address->local_part
                                : context.address->original_local_part;
  const Findings::Verified found =
      remembered(ask(run, asked, local + "@" + context.address->domain, false));
  if (asked.quota) return answer_quota(run, found);
  context.findings.recipient_verify_failure = found.failure_kind;
  context.findings.address_data = found.address_data;
  if (found.ok) return Answer::yes;
  // What a deferral says is for the client only where a router means it so.
  if (found.deferred) return run.defer(found.user_message, found.log_message);
  return run.fail(found.user_message.empty() ? found.log_message : found.user_message,
                  found.log_message);
}

// One verifiable address in Sender:, Reply-To: or From: is enough.
Answer verify_header_sender(AclRun& run, const Verification& asked) {
  bool deferred = false;
  for (const std::string& address : header_senders(headers_of(run))) {
    const AddressVerifier::Answer answer = ask(run, asked, address, true);
    if (answer.verdict == Verdict::ok) return Answer::yes;
    deferred = deferred || answer.verdict == Verdict::deferred;
  }
  if (deferred) return run.defer("all attempts to verify a sender in a header line deferred");
  return answer_of(run, "there is no valid sender in any header line");
}

constexpr WhereMask kHasData = only({mime, dkim, data, prdr, not_smtp, quit, notquit});
constexpr WhereMask kHasSender = only({mail, rcpt, predata, data, not_smtp});

// name, where it is legal, options of addresses, function
constexpr auto kItems = std::to_array<ItemRow>({
    {"arc", only({data}), false, nullptr, "seals of ARC are not verified"},
    {"certificate", kAnywhere, false, verify_certificate},
    {"csa", all_but({not_smtp, not_smtp_start}), false, verify_authorization},
    {"header_names_ascii", kHasData, false, verify_header_names},
    {"header_sender", kHasData, true, verify_header_sender},
    {"header_syntax", kHasData, false, verify_header_syntax},
    {"helo", kAnywhere, false, verify_helo},
    {"not_blind", kHasData, false, verify_not_blind},
    {"recipient", only({rcpt}), true, verify_recipient},
    {"reverse_host_lookup", kAnywhere, false, verify_reverse},
    {"sender", kHasSender, true, verify_sender},
});

const ItemRow* find_item(std::string_view name) noexcept {
  const auto row = std::find_if(kItems.begin(), kItems.end(),
                                [&](const ItemRow& item) { return item.name == name; });
  return row == kItems.end() ? nullptr : &*row;
}

}  // namespace

Answer run_verify(AclRun& run, const AclCondition&, const std::string& value) {
  Verification asked;
  const ItemRow* row = nullptr;
  if (Problem problem = parse_verification(value, asked, row)) return run.error(*problem);
  if ((row->legal & where_bit(run.where())) == 0) {
    return run.error("cannot verify " + asked.name + " in ACL for " +
                     std::string(acl_where_name(run.where())));
  }
  const Answer answer = row->run(run, asked);
  run.keep_verify_message();
  return answer;
}

std::optional<std::string> check_verify(std::string_view value) {
  Verification asked;
  const ItemRow* row = nullptr;
  return parse_verification(value, asked, row);
}

WhereMask verify_legal(std::string_view value) noexcept {
  const std::string_view name = trim(value.substr(0, value.find_first_of("=/")));
  const ItemRow* row = find_item(to_lower(name));
  return row == nullptr ? kAnywhere : row->legal;
}

}  // namespace godwit::acl
