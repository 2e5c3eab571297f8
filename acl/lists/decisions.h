// ListDecisions: what named lists said about a subject, kept for as long as a message lasts, so
// that a long list or one that asks is gone through once. Exim keeps such answers too. Used by
// items that name a list (+name); owned by whoever works on the message, who calls forget() when it
// ends. Only lists whose items are known at load come here: others may say something else the next
// time.
#pragma once

#include "acl/expand/list_pattern.h"

#include <cstddef>
#include <string>
#include <unordered_map>

namespace godwit::acl {

inline constexpr size_t kListDecisionsMax = 1024;  // of one message

class ListDecisions {
 public:
  struct Decision {
    ListMatch match;
    Captures captures;  // $0 $1 ... that the match left
  };
  // Null where nothing is known.
  const Decision* find(const ListPattern& list, const ListSubject& subject) const;
  // Keeps a yes or a no; what could not be asked is asked again.
  void keep(const ListPattern& list, const ListSubject& subject, Decision decision);
  void forget() { known_.clear(); }

 private:
  static std::string key_of(const ListPattern& list, const ListSubject& subject);

  std::unordered_map<std::string, Decision> known_;
};

}  // namespace godwit::acl
