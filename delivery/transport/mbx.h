// MBX, the mailbox format of the c-client library (Pine, UW IMAP): a head of 2048 bytes, then each
// message after a line with its date, its size and its flags. Readers share the file: who appends
// holds a shared lock on it, and an exclusive one on /tmp/.DEVICE.INODE.
// Used by mbox.cc, on pool threads. Exim's manual, 26.3.
#pragma once

#include "delivery/transport/mailbox.h"

#include <string>
#include <string_view>

namespace godwit::delivery {

inline constexpr size_t kMbxHeadBytes = 2048;

// What a new file begins with. The time makes its identifiers differ from those of a file that was
// there before.
std::string mbx_file_head(WallTime now);
// "21-Nov-2026 17:20:11 +0000,347;000000000000-00000000": nobody has seen it yet.
std::string mbx_message_line(WallTime now, bool utc, uint64_t bytes);

// A message of which only the end tells the size: kept apart until then, in a file without a name.
class MbxDraft {
 public:
  MailboxStep append(std::string_view text);
  // Its line, and all of it, to the end of `file`; `is_first`: after the head of the file.
  MailboxStep move_to(int file, bool is_first, const MailboxPlan& plan);

 private:
  UniqueFd draft_;
  uint64_t bytes_ = 0;
};

// The lock that keeps others from appending at the same time.
class MbxLock {
 public:
  // One try, for an open mailbox file.
  MailboxStep take(int file, const MailboxPlan& plan);
  // The name goes away where nobody else has the mailbox open.
  void release(int file, const MailboxPlan& plan) noexcept;

 private:
  std::string path_;
  UniqueFd lock_;
};

// A lock of the open file, not of the process, by whatever the plan locks with: F_RDLCK or F_WRLCK.
// Busy where somebody else has one.
MailboxStep lock_open_file(int file, short type, const MailboxPlan& plan);

}  // namespace godwit::delivery
