// What a session pays to decide about a recipient: the RCPT ACL of daemon/gateway.conf (run it from
// the top of the tree), named lists with and without answers that are kept, and the cost of lists
// and of header variables as they grow. Allocations are counted beside.
#include "acl/lists/decisions.h"
#include "acl/policy/policy.h"
#include "bench/micro/allocations.h"
#include "core/config/document.h"
#include "core/config/files.h"
#include "core/io/fiber.h"
#include "core/io/loop.h"
#include "core/io/scope.h"

#include <benchmark/benchmark.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace godwit::acl {
namespace {

struct Session {
  ServerFacts server;
  ConnectionFacts connection;
  MessageFacts message;
  AddressFacts address;
  AclVariables connection_variables;
  AclVariables message_variables;
  ListDecisions decisions;
  Services services;
  EvalContext context;

  Session() {
    server.primary_hostname = "mx.godwit.test";
    connection.sender_host = Endpoint{*IpAddress::parse("192.0.2.7"), 4711};
    connection.sender_helo_name = "client.example.net";
    message.sender_address = "sender@example.net";
    set_recipient("somebody", "godwit.test");
    context.server = &server;
    context.connection = &connection;
    context.message = &message;
    context.address = &address;
    context.connection_variables = &connection_variables;
    context.message_variables = &message_variables;
    context.services = &services;
  }

  void set_recipient(const std::string& local_part, const std::string& domain) {
    address.local_part = address.original_local_part = local_part;
    address.domain = address.original_domain = domain;
  }
};

// Counts the allocations of the loop that lives as long as this.
class CountAllocations {
 public:
  explicit CountAllocations(benchmark::State& state) : state_(state), before_(allocations()) {}
  ~CountAllocations() {
    const auto made = static_cast<double>(allocations() - before_);
    state_.counters["allocations"] = made / static_cast<double>(state_.iterations());
  }
  CountAllocations(const CountAllocations&) = delete;
  CountAllocations& operator=(const CountAllocations&) = delete;

 private:
  benchmark::State& state_;
  uint64_t before_;
};

std::shared_ptr<const CompiledPolicy> gateway_policy(config::Diagnostics& diagnostics) {
  config::DiskFiles files;
  const auto document = config::read_document("daemon/gateway.conf", files, {}, diagnostics);
  return compile_policy(document, diagnostics);
}

Task<void> judge(const CompiledPolicy& policy, Session& session, AclVerdict& verdict) {
  const auto body = [&] {
    return policy.acls()
        .evaluate(policy.acl(AclWhere::rcpt), AclWhere::rcpt, session.context)
        .verdict;
  };
  verdict = co_await on_fiber(body);
}

// As a session does it: on a fiber, with the whole outcome.
void judge_recipients(benchmark::State& state, Session& session, AclVerdict want) {
  config::Diagnostics diagnostics;
  const auto policy = gateway_policy(diagnostics);
  if (diagnostics.has_errors()) {
    state.SkipWithError("daemon/gateway.conf cannot be read: run this from the top of the tree");
    return;
  }
  Loop loop;
  Scope scope;
  const CountAllocations counting(state);
  for (auto step : state) {
    (void)step;
    AclVerdict verdict = AclVerdict::defer;
    scope.spawn(judge(*policy, session, verdict));
    if (verdict != want) state.SkipWithError("the ACL decides something else");
  }
}

void BM_RcptAclLocal(benchmark::State& state) {
  Session session;
  judge_recipients(state, session, AclVerdict::accept);
}
BENCHMARK(BM_RcptAclLocal);

void BM_RcptAclRelay(benchmark::State& state) {
  Session session;
  session.set_recipient("somebody", "elsewhere.example");
  session.connection.sender_host = Endpoint{*IpAddress::parse("127.0.0.1"), 4711};
  judge_recipients(state, session, AclVerdict::accept);
}
BENCHMARK(BM_RcptAclRelay);

void BM_RcptAclDenied(benchmark::State& state) {
  Session session;
  session.set_recipient("somebody", "elsewhere.example");
  judge_recipients(state, session, AclVerdict::deny);
}
BENCHMARK(BM_RcptAclDenied);

// The strings of sessions on a fiber: no frame, no allocation but for the result.
void BM_PureExpansionAllocations(benchmark::State& state) {
  Session session;
  const auto expansion = compile_expansion("${if eq{$domain}{godwit.test}{yes}{no}}", {});
  const CountAllocations counting(state);
  for (auto step : state) {
    (void)step;
    const EvalResult result = expansion->evaluate(session.context);
    benchmark::DoNotOptimize(result.text.data());
  }
  if (expansion->can_suspend()) state.SkipWithError("a pure string says that it may wait");
}
BENCHMARK(BM_PureExpansionAllocations);

// The strings of bench/compare/language.txt (run it from the top of the tree), compiled once, as a
// server does at load: what one evaluation of one of them costs.
void BM_ConfigurationStrings(benchmark::State& state) {
  Session session;
  session.connection = {};
  session.message = {};
  session.address = {};
  const NamedLists lists;
  CompileOptions options;
  options.lists = &lists;
  session.services.lists = &lists;
  std::vector<Expansion> strings;
  std::ifstream file("bench/compare/language.txt");
  for (std::string line; std::getline(file, line);) {
    Result<Expansion> expansion = compile_expansion(line, options);
    if (!expansion) {
      state.SkipWithError(expansion.error().detail().c_str());
      return;
    }
    strings.push_back(std::move(*expansion));
  }
  if (strings.empty()) {
    state.SkipWithError("bench/compare/language.txt cannot be read");
    return;
  }
  std::string value;
  for (auto step : state) {
    (void)step;
    for (const Expansion& string : strings) {
      value.clear();
      const EvalStatus status = string.append(session.context, value);
      if (status != EvalStatus::ok) state.SkipWithError(session.context.error.c_str());
      benchmark::DoNotOptimize(value.data());
    }
  }
  const auto evaluations =
      static_cast<double>(state.iterations()) * static_cast<double>(strings.size()) / 1e6;
  state.counters["us_each"] =
      benchmark::Counter(evaluations, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_ConfigurationStrings);

// --- Lists ---------------------------------------------------------------------------------------

std::string list_of(int64_t items, std::string_view prefix, std::string_view suffix) {
  std::string list;
  for (int64_t i = 0; i < items; ++i) {
    if (i > 0) list += ':';
    list += std::string(prefix) + std::to_string(i) + std::string(suffix);
  }
  return list;
}

void match_list(benchmark::State& state, ListKind kind, const std::string& text,
                const ListSubject& subject) {
  Session session;
  const NamedLists lists;
  ListOptions as_it_stands;
  as_it_stands.expand = false;
  config::Diagnostics diagnostics;
  const auto list = lists.compile(kind, config::LocatedText(text), as_it_stands, diagnostics);
  if (!list) {
    state.SkipWithError("the list cannot be compiled");
    return;
  }
  const CountAllocations counting(state);
  for (auto step : state) {
    (void)step;
    const ListMatch match = list->match(subject, session.context);
    if (match.match != Match::no) state.SkipWithError("the list matches");
  }
  state.SetComplexityN(state.range(0));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

ListSubject text_subject(std::string_view text) {
  ListSubject subject;
  subject.text = text;
  return subject;
}

void BM_PlainDomains(benchmark::State& state) {
  match_list(state, ListKind::domain, list_of(state.range(0), "d", ".example"),
             text_subject("other.test"));
}
BENCHMARK(BM_PlainDomains)->Arg(10)->Arg(1'000)->Arg(100'000);

void BM_DomainSuffixes(benchmark::State& state) {
  match_list(state, ListKind::domain, list_of(state.range(0), "*.d", ".example"),
             text_subject("other.test"));
}
BENCHMARK(BM_DomainSuffixes)->Arg(10)->Arg(1'000)->Arg(100'000)->Complexity(benchmark::oN);

void BM_LocalPartRegexes(benchmark::State& state) {
  match_list(state, ListKind::local_part, list_of(state.range(0), "^owner-", "-.*"),
             text_subject("somebody"));
}
BENCHMARK(BM_LocalPartRegexes)->Arg(10)->Arg(1'000)->Arg(100'000)->Complexity(benchmark::oN);

void BM_Networks(benchmark::State& state) {
  std::string text;
  for (int64_t i = 0; i < state.range(0); ++i) {
    text += (i > 0 ? " : 10." : "10.") + std::to_string(i >> 16 & 255) + "." +
            std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255);
  }
  ListSubject subject;
  subject.address = *IpAddress::parse("192.0.2.7");
  match_list(state, ListKind::host, text, subject);
}
BENCHMARK(BM_Networks)->Arg(10)->Arg(1'000)->Arg(100'000)->Complexity(benchmark::oN);

// A named list of suffixes that an ACL asks again and again; 1: with answers that are kept.
void BM_NamedList(benchmark::State& state) {
  Session session;
  if (state.range(1) != 0) session.services.decisions = &session.decisions;
  config::Diagnostics diagnostics;
  config::MemoryFiles files;
  files.put("exim.conf", "domainlist customers = " + list_of(state.range(0), "*.d", "") + "\n");
  const auto document = config::read_document("exim.conf", files, {}, diagnostics);
  const auto lists = NamedLists::compile_all(document, diagnostics);
  if (diagnostics.has_errors()) state.SkipWithError("the list cannot be compiled");
  const auto list =
      lists->compile(ListKind::domain, config::LocatedText("+customers"), {}, diagnostics);
  const CountAllocations counting(state);
  for (auto step : state) {
    (void)step;
    benchmark::DoNotOptimize(list->match(text_subject("other.test"), session.context));
  }
}
BENCHMARK(BM_NamedList)->ArgsProduct({{10, 1'000, 100'000}, {0, 1}});

// --- Header lines --------------------------------------------------------------------------------

void read_header(benchmark::State& state, std::string_view text) {
  Session session;
  for (int64_t i = 0; i < state.range(0); ++i) {
    session.message.headers += "X-Line-" + std::to_string(i) + ": some value of it\n";
  }
  session.message.headers += "Subject: the last one\n";
  const auto expansion = compile_expansion(text, {});
  const CountAllocations counting(state);
  for (auto step : state) {
    (void)step;
    const EvalResult result = expansion->evaluate(session.context);
    if (result.text.empty()) state.SkipWithError("the header line was not found");
  }
  state.SetComplexityN(state.range(0));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_HeaderVariable(benchmark::State& state) {
  read_header(state, "$h_subject:");
}
BENCHMARK(BM_HeaderVariable)->Arg(10)->Arg(1'000)->Arg(100'000)->Complexity(benchmark::oN);

void BM_HeaderDefined(benchmark::State& state) {
  read_header(state, "${if def:h_subject:{yes}{}}");
}
BENCHMARK(BM_HeaderDefined)->Arg(10)->Arg(1'000)->Arg(100'000)->Complexity(benchmark::oN);

}  // namespace
}  // namespace godwit::acl
