#include "delivery/route/host_list.h"

namespace godwit::delivery {

void set_key(HostList& list) {
  list.key.clear();
  for (const RouteHost& host : list.hosts) {
    list.key += host.name;
    list.key += ':';
    list.key += std::to_string(host.port);
    list.key += '/';
    list.key += std::to_string(host.preference);
    list.key += ' ';
  }
  if (list.randomize) list.key += '~';
}

}  // namespace godwit::delivery
