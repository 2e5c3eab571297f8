// The first line is a subject, the rest a list of each kind: compile and match.
#include "acl/lists/lists.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), input.size());
  const std::string_view text = input.substr(0, end);
  const acl::NamedLists lists;
  acl::ServerFacts server;
  server.primary_hostname = "mx.test";
  for (auto kind : {config::ListKind::domain, config::ListKind::host, config::ListKind::address,
                    config::ListKind::local_part}) {
    config::Diagnostics diagnostics;
    const auto list = lists.compile(kind, config::LocatedText(std::string(input.substr(end))),
                                    {size % 2 == 0, size % 3 == 0}, diagnostics);
    if (!list) continue;
    acl::EvalContext context;
    context.server = &server;
    acl::ListSubject subject;
    subject.text = text;
    if (const auto address = IpAddress::parse(text)) subject.address = *address;
    list->match(subject, context);
  }
  return 0;
}
