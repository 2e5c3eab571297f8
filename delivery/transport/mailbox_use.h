// How full a mailbox of many files is: by looking at them, or by the maildirsize file that
// maildir++ programs (Courier, Dovecot) keep beside them. For the thread pool.
//
// maildirsize: "<bytes>S,<files>C" is the quota; each further line "<bytes> <files>" adds to the
// sum. A delivery appends a line; when in doubt all is counted anew.
#pragma once

#include "acl/expand/regex.h"
#include "delivery/transport/mailbox.h"
#include "delivery/transport/unique_fd.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace godwit::delivery {

// Every regular file in and below the directory. `size_regex`, where it matches a name and captures
// a number, gives the size without a look at the file.
MailboxUse measure_directory(const std::string& path, const acl::Regex* size_regex);

// new/ and cur/ of a maildir and of its folders, which are ".name" directories in it, as far as the
// plan counts them.
MailboxUse measure_maildir(const std::string& path, const MailboxPlan& plan);

class MaildirSize {
 public:
  // `root`: the top directory of the maildir.
  MaildirSize(std::string root, const MailboxPlan& plan) : root_(std::move(root)), plan_(plan) {}

  // What the file says, counted anew where it cannot be relied on; it exists afterwards.
  MailboxStep read(MailboxUse& use);
  // A message was delivered.
  void add(uint64_t bytes) noexcept;

 private:
  bool parse(std::string_view text, MailboxUse& use) const;
  MailboxStep rebuild(MailboxUse& use);

  std::string root_;
  const MailboxPlan& plan_;
  UniqueFd file_;
};

}  // namespace godwit::delivery
