#include "acl/lists/decisions.h"

#include <utility>

namespace godwit::acl {

const ListDecisions::Decision* ListDecisions::find(const ListPattern& list,
                                                   const ListSubject& subject) const {
  if (known_.empty()) return nullptr;
  const auto found = known_.find(key_of(list, subject));
  return found == known_.end() ? nullptr : &found->second;
}

void ListDecisions::keep(const ListPattern& list, const ListSubject& subject, Decision decision) {
  if (decision.match.match == Match::defer) return;
  if (known_.size() >= kListDecisionsMax) known_.clear();
  known_.insert_or_assign(key_of(list, subject), std::move(decision));
}

// The list's address, what the subject is, and its parts with a byte between that no name has.
std::string ListDecisions::key_of(const ListPattern& list, const ListSubject& subject) {
  const ListPattern* const address = &list;
  std::string key(reinterpret_cast<const char*>(&address), sizeof address);
  key += subject.is_client ? 'c' : subject.address ? 'a' : 't';
  if (subject.address) key += subject.address->bytes();
  key += '\0';
  key += subject.host_name;
  key += '\0';
  key += subject.text;
  return key;
}

}  // namespace godwit::acl
