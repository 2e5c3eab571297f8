// A lock file beside a mailbox file, safe on network file systems too: a file of a unique name is
// linked to the name of the lock; its link count says whether that worked.
#pragma once

#include "delivery/transport/mailbox.h"

#include <string>

namespace godwit::delivery {

class LockFile {
 public:
  LockFile() = default;
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;
  ~LockFile() { release(); }

  // One try. `directory` must stay open until release(). A lock that is older than the plan's
  // lockfile_timeout is removed; the next try may have it.
  MailboxStep take(int directory, std::string name, const MailboxPlan& plan);
  void release() noexcept;
  bool is_held() const noexcept { return directory_ >= 0; }

 private:
  int directory_ = -1;
  std::string name_;
};

}  // namespace godwit::delivery
