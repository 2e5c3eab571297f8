// The selectors of -d, by Exim's names. A row is a selector; which events of a Trace it shows is in
// its row too. EXIM.md 4.1.
#pragma once

#include "acl/expand/trace.h"
#include "core/base/result.h"

#include <cstdint>
#include <string_view>

namespace godwit::daemon {

enum class DebugSelector : uint8_t {
  // The order is the order of the rows in debug_selectors.cc.
  acl,
  auth,
  deliver,
  dns,
  dnsbl,
  exec,
  expand,
  filter,
  hints_lookup,
  host_lookup,
  ident,
  interface,
  lists,
  load,
  local_scan,
  lookup,
  memory,
  noutf8,
  pid,
  process_info,
  queue_run,
  receive,
  resolver,
  retry,
  rewrite,
  route,
  timestamp,
  tls,
  transport,
  uid,
  verify,
};

// A set.
struct DebugSelectors {
  uint64_t bits = 0;
  bool has(DebugSelector selector) const noexcept {
    return ((bits >> static_cast<unsigned>(selector)) & 1U) != 0;
  }
  void add(DebugSelector selector) noexcept {
    bits |= uint64_t{1} << static_cast<unsigned>(selector);
  }
};

// "" (the usual ones), "+expand-dns", "-all+acl". The error names the nearest selector.
Result<DebugSelectors> parse_debug_selectors(std::string_view text);
// Which selector shows events of this kind.
DebugSelector selector_of(acl::TraceKind kind) noexcept;

}  // namespace godwit::daemon
