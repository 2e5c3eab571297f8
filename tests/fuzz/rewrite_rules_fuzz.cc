// The first line is an address, then come rewriting rules, and after an empty line a header
// section that they are applied to.
#include "core/config/files.h"
#include "delivery/rewrite/rewrite.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto take = [&input](std::string_view end) {
    const size_t at = std::min(input.find(end), input.size());
    const std::string_view part = input.substr(0, at);
    input.remove_prefix(std::min(at + end.size(), input.size()));
    return part;
  };
  const std::string_view address = take("\n");
  const std::string_view rules_text = take("\n\n");
  config::MemoryFiles files;
  files.put("exim.conf", "begin rewrite\n" + std::string(rules_text) + "\n");
  config::Diagnostics diagnostics;
  const auto document = config::read_document("exim.conf", files, {}, diagnostics);
  const acl::NamedLists lists;
  const auto rules = rewrite::RewriteRules::compile(document, lists, diagnostics);
  if (rules == nullptr || diagnostics.has_errors()) return 0;
  acl::ServerFacts server;
  server.primary_hostname = "mx.test";
  server.qualify_recipient = "mx.test";
  acl::EvalContext context;
  context.server = &server;
  for (auto place : {rewrite::kEnvelopeFrom, rewrite::kEnvelopeTo, rewrite::kFrom}) {
    rules->rewrite(address, place, context);
  }
  rewrite::RewriteNotes notes;
  rules->rewrite_headers(input, context, notes);
  return 0;
}
