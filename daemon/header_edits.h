// What ACLs want done to the header section of a message: lines added at some place, lines removed
// by name. Used by SMTP sessions and by submission; lives for one message.
#pragma once

#include "acl/expand/regex.h"
#include "acl/policy/acl.h"
#include "protocol/message/header_scan.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::daemon {

class HeaderEdits {
 public:
  void take(acl::AclEffects& effects);
  void clear();
  // `received` comes first. `head` is what the client sent, with CRLF, `fields` where its fields
  // are. Lines that were added are not removed: an ACL that adds what it removes replaces it.
  std::string apply(std::string received, std::string_view head,
                    std::span<const message::FieldPlace> fields) const;

 private:
  bool removes(std::string_view name) const;
  static void add_line(const acl::HeaderAddition& addition, std::string& out);
  void add(acl::HeaderAddition::Position position, std::string& out) const;

  std::vector<acl::HeaderAddition> added_;
  std::vector<std::string> removed_names_;
  std::vector<acl::Regex> removed_patterns_;
};

// Appends `text` with every LF as CRLF.
void append_with_crlf(std::string_view text, std::string& out);

}  // namespace godwit::daemon
