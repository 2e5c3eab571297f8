// The program: reads the command line and hands over to what it asks for.
#include "daemon/command_line.h"
#include "daemon/commands.h"

#include <malloc.h>

#include <cstdio>
#include <string>
#include <vector>

int main(int count, char** words) {
  using namespace godwit::daemon;
  // Without it, freeing one large block may tidy all small ones at once: 18 ms of a loop's turn,
  // after ten thousand deliveries.
  ::mallopt(M_MXFAST, 0);
  const std::vector<std::string> arguments(words + (count > 0 ? 1 : 0), words + count);
  const godwit::Result<CommandLine> line =
      parse_command_line(count > 0 ? words[0] : "godwit", arguments);
  if (!line) {
    std::fprintf(stderr, "godwit: %s\n", line.error().detail().c_str());
    return 1;
  }
  return run_command(*line);
}
