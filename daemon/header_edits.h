// What ACLs want done to the header section of a message: lines added at some place, lines removed
// by name. Used by SMTP sessions and by submission; lives for one message.
#pragma once

#include "acl/expand/regex.h"
#include "acl/policy/acl.h"
#include "core/config/main_options.h"
#include "protocol/message/header_scan.h"
#include "protocol/spool_format/envelope.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::daemon {

class HeaderEdits {
 public:
  void take(acl::AclEffects& effects);
  // Every field of this name.
  void remove(std::string_view name) { removed_.names.emplace_back(name); }
  // From here on what was added is a part of the message, that ACLs see and may remove.
  void merge() noexcept { merged_ = added_.size(); }
  void clear();
  // `received` comes first. `head` is what the client sent, with CRLF, `fields` where its fields
  // are. Lines that were added since merge() are not removed: an ACL that adds what it removes
  // replaces it.
  std::string apply(std::string received, std::string_view head,
                    std::span<const message::FieldPlace> fields) const;
  // The same for the reject log: each line with Exim's type letter and a space before it, "*" for
  // one that was removed, and LF at its end.
  std::string lettered(std::string_view received, std::string_view head,
                       std::span<const message::FieldPlace> fields) const;

 private:
  // What becomes of a line: a section in wire format, or one for the reject log.
  class Section;
  struct Removals {
    std::vector<std::string> names;
    std::vector<acl::Regex> patterns;
    bool has(std::string_view name) const;
  };
  void add(acl::HeaderAddition::Position position, Section& out) const;
  void build(Section& out, std::string_view received, std::string_view head,
             std::span<const message::FieldPlace> fields) const;

  std::vector<acl::HeaderAddition> added_;
  size_t merged_ = 0;  // of added_
  Removals removed_;   // of what the client sent
};

// Fields that belong to messages that were delivered: return_path_remove, envelope_to_remove and
// delivery_date_remove have `edits` take them off as a message comes in.
void remove_delivery_fields(std::span<const message::FieldPlace> fields,
                            const config::MessageOptions& options, HeaderEdits& edits);

// What the reject log has of a message beside its header section: "Envelope-from: <...>" and the
// first recipients.
std::string rejected_envelope(std::string_view sender,
                              std::span<const EnvelopeRecipient> recipients);

}  // namespace godwit::daemon
