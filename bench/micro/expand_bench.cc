// Cost of evaluating pure strings: what a session pays for each option and condition.
#include "acl/expand/expansion.h"

#include <benchmark/benchmark.h>

#include <string>

namespace godwit::acl {
namespace {

struct World {
  ServerFacts server;
  ConnectionFacts connection;
  AddressFacts address;
  AclVariables variables;
  EvalContext context;

  World() {
    server.primary_hostname = "mx.example.org";
    connection.sender_helo_name = "client.example.net";
    address.local_part = "somebody";
    address.domain = "example.org";
    context.server = &server;
    context.connection = &connection;
    context.address = &address;
    context.message_variables = &variables;
  }
};

void evaluate(benchmark::State& state, World& world, std::string_view text) {
  const Result<Expansion> expansion = compile_expansion(text, {});
  if (!expansion) {
    state.SkipWithError(expansion.error().detail().c_str());
    return;
  }
  for (auto step : state) {
    (void)step;
    const EvalResult result = expansion->evaluate(world.context);
    if (!result.ok()) state.SkipWithError(result.text.c_str());
    benchmark::DoNotOptimize(result.text.data());
  }
}

void BM_Constant(benchmark::State& state) {
  World world;
  evaluate(state, world, "/var/spool/godwit");
}
BENCHMARK(BM_Constant);

void BM_Variables(benchmark::State& state) {
  World world;
  evaluate(state, world, "$local_part@$domain from $sender_helo_name");
}
BENCHMARK(BM_Variables);

void BM_IfMatch(benchmark::State& state) {
  World world;
  evaluate(state, world, "${if match{$sender_helo_name}{\\N^(.*)\\.example\\.net$\\N}{$1}{no}}");
}
BENCHMARK(BM_IfMatch);

std::string list_of(int64_t items) {
  std::string list;
  for (int64_t i = 0; i < items; ++i) list += (i > 0 ? ":" : "") + std::to_string(i % 10);
  return list;
}

// The time an item must not grow with the list.
void BM_Map(benchmark::State& state) {
  World world;
  world.variables["acl_m_list"] = list_of(state.range(0));
  evaluate(state, world, "${map{$acl_m_list}{<$item>}}");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Map)->Arg(10)->Arg(1'000)->Arg(100'000);

void BM_Filter(benchmark::State& state) {
  World world;
  world.variables["acl_m_list"] = list_of(state.range(0));
  evaluate(state, world, "${filter{$acl_m_list}{>{$item}{4}}}");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Filter)->Arg(10)->Arg(1'000)->Arg(100'000);

void BM_Substitute(benchmark::State& state) {
  World world;
  world.variables["acl_m_list"] = list_of(state.range(0));
  evaluate(state, world, "${sg{$acl_m_list}{:}{, }}");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Substitute)->Arg(10)->Arg(1'000)->Arg(100'000);

}  // namespace
}  // namespace godwit::acl
