// smtp-ledger: compares the ledgers of smtp-source and smtp-sink. Exit status 0 where every
// accepted message arrived whole, 1 where one is lost or changed, 2 where the ledgers cannot be
// read.
#include "bench/common/process.h"
#include "bench/ledger/reconcile.h"

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

int main(int argc, char** argv) {
  using namespace godwit::bench;
  bool as_json = false;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--json") {
      as_json = true;
    } else {
      paths.emplace_back(word);
    }
  }
  if (paths.size() != 2) {
    std::fputs("usage: smtp-ledger [--json] SOURCE-LEDGER SINK-LEDGER\n", stderr);
    return 2;
  }
  const godwit::Result<std::string> source = read_whole_file(paths[0]);
  const godwit::Result<std::string> sink = read_whole_file(paths[1]);
  for (const auto* file : {&source, &sink}) {
    if (file->has_value()) continue;
    std::fprintf(stderr, "smtp-ledger: %s\n", file->error().to_string().c_str());
    return 2;
  }
  const Reconciliation result = reconcile(*source, *sink);
  std::fputs((as_json ? result.to_json() : result.to_text()).c_str(), stdout);
  return result.is_sound() ? 0 : 1;
}
