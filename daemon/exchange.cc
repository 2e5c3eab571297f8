#include "daemon/exchange.h"

#include "core/base/ascii.h"
#include "delivery/queue/entry.h"
#include "delivery/queue/message_key.h"
#include "delivery/transport/unique_fd.h"
#include "protocol/message/header_scan.h"
#include "protocol/spool_format/envelope_text.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

namespace godwit::daemon {
namespace {

using delivery::UniqueFd;

constexpr std::string_view kClaimed = ".taking";
constexpr int64_t kQuietSeconds = 1;  // a file that changed later may still be written
constexpr uint64_t kHeaderFileBytesMax = 64u << 20;
constexpr size_t kBodyPieceBytes = 256u << 10;

std::string header_name(const Exchange::Pair& pair, bool claimed) {
  return pair.folder + "/" + pair.id.to_string() + "-H" + std::string(claimed ? kClaimed : "");
}
std::string name_of(const Exchange::Pair& pair) {
  return pair.folder + "/" + pair.id.to_string();
}
std::string data_name(const Exchange::Pair& pair) {
  return pair.folder + "/" + pair.id.to_string() + "-D";
}
std::string journal_name(const Exchange::Pair& pair) {
  return pair.folder + "/" + pair.id.to_string() + "-J";
}

Error file_error(const std::string& path) {
  return Error(Errc::disk_error, path + ": " + std::strerror(errno));
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* const listing = ::opendir(folder.c_str());
  if (listing == nullptr) return names;
  while (const dirent* entry = ::readdir(listing)) names.emplace_back(entry->d_name);
  ::closedir(listing);
  std::sort(names.begin(), names.end());
  return names;
}

// Whether the file is one that may be taken now. Somebody who may write only to the folder must not
// get other people's files read, nor files change under our eyes.
bool is_ready(const std::string& path, const struct stat& around, WallTime now, WallTime& changed) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode) || found.st_nlink != 1)
    return false;
  const bool is_ours =
      found.st_uid == 0 || found.st_uid == ::geteuid() || found.st_uid == around.st_uid;
  if (!is_ours || found.st_ctime + kQuietSeconds >= now.micros / 1'000'000) return false;
  // Not that of the entry, which renaming changes.
  const int64_t micros =
      static_cast<int64_t>(found.st_mtim.tv_sec) * 1'000'000 + found.st_mtim.tv_nsec / 1000;
  changed = std::max(changed, WallTime{micros});
  return true;
}

void find_pairs(const std::string& folder, WallTime now, std::vector<Exchange::Pair>& out) {
  struct stat around {};
  if (::lstat(folder.c_str(), &around) != 0 || !S_ISDIR(around.st_mode)) return;
  for (std::string_view name : names_in(folder)) {
    Exchange::Pair pair;
    pair.is_claimed = name.ends_with(kClaimed);
    if (pair.is_claimed) name.remove_suffix(kClaimed.size());
    if (!name.ends_with("-H")) continue;
    const Result<message::MessageId> id =
        message::MessageId::parse(name.substr(0, name.size() - 2));
    if (!id) continue;
    pair.id = *id;
    pair.folder = folder;
    pair.is_whole = is_ready(header_name(pair, pair.is_claimed), around, now, pair.changed) &&
                    is_ready(data_name(pair), around, now, pair.changed);
    out.push_back(std::move(pair));
  }
}

struct FindCall {
  std::string folder;
  WallTime now;

  std::vector<Exchange::Pair> operator()() {
    std::vector<Exchange::Pair> out;
    find_pairs(folder, now, out);
    for (const std::string& name : names_in(folder)) {
      if (name.size() == 1 && is_alnum(name.front())) find_pairs(folder + "/" + name, now, out);
    }
    return out;
  }
};

Result<void> sync_folder(const std::string& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open() || ::fsync(fd.get()) != 0) return file_error(folder);
  return {};
}

Result<UniqueFd> lock_header(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.is_open()) return Error(Errc::not_found, path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return Error(Errc::locked, path);
  return file;
}

// Claims the pair for as long as the descriptor is open: while a daemon takes over from another
// one, both look at the folder.
struct ClaimCall {
  Exchange::Pair pair;

  Result<UniqueFd> operator()() {
    const std::string from = header_name(pair, false);
    Result<UniqueFd> locked = lock_header(from);
    if (!locked) return locked;
    if (::rename(from.c_str(), header_name(pair, true).c_str()) != 0)
      return errno == ENOENT ? Error(Errc::not_found, from) : file_error(from);
    const Result<void> synced = sync_folder(pair.folder);
    if (!synced) return synced.error();
    return locked;
  }
};

struct GiveBackCall {
  Exchange::Pair pair;

  Result<void> operator()() {
    const std::string from = header_name(pair, true);
    if (::rename(from.c_str(), header_name(pair, false).c_str()) != 0) return file_error(from);
    return sync_folder(pair.folder);
  }
};

// Whether nobody works on the claimed pair any more.
struct IsAbandonedCall {
  Exchange::Pair pair;
  bool operator()() { return lock_header(header_name(pair, true)).has_value(); }
};

struct RemoveCall {
  Exchange::Pair pair;

  Result<void> operator()() {
    // The claimed header file goes last: as long as it is there, settle() knows of the pair.
    for (const std::string& path :
         {journal_name(pair), data_name(pair), header_name(pair, pair.is_claimed)}) {
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) return file_error(path);
    }
    return sync_folder(pair.folder);
  }
};

Result<std::string> read_whole(const std::string& path, uint64_t limit) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.is_open()) return file_error(path);
  std::string out;
  std::string piece(kBodyPieceBytes, '\0');
  for (;;) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(path);
    if (got == 0) return out;
    out.append(piece, 0, static_cast<size_t>(got));
    if (out.size() > limit) return Error(Errc::malformed, "size=" + std::to_string(out.size()));
  }
}

struct ReadHeaderCall {
  std::string path;
  std::string journal;

  Result<EnvelopeText> operator()() {
    const Result<std::string> text = read_whole(path, kHeaderFileBytesMax);
    if (!text) return text.error();
    Result<EnvelopeText> out = envelope_from_text(*text);
    if (!out)
      return Error(Errc::malformed,
                   "size=" + std::to_string(text->size()) + ": " + out.error().detail());
    // What was delivered after the header file was written.
    const Result<std::string> done = read_whole(journal, kHeaderFileBytesMax);
    std::string_view rest = done ? std::string_view(*done) : std::string_view();
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      if (end > 0) out->state.others_done.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return out;
  }
};

// A piece of the data file in wire format; empty at its end.
class BodyReader {
 public:
  BodyReader(const Exchange::Pair& pair, bool wire_format)
      : first_line_(pair.id.to_string() + "-D\n"),
        file_(::open(data_name(pair).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)),
        wire_format_(wire_format) {}

  Result<std::string> next() {
    if (!file_.is_open()) return file_error("-D");
    if (!started_) {
      std::string line(first_line_.size(), '\0');
      const ssize_t got = ::pread(file_.get(), line.data(), line.size(), 0);
      if (got != static_cast<ssize_t>(line.size()) || line != first_line_)
        return Error(Errc::malformed, "the first line of the data file is wrong");
      started_ = true;
      offset_ = line.size();
    }
    std::string piece(kBodyPieceBytes, '\0');
    const ssize_t got =
        ::pread(file_.get(), piece.data(), piece.size(), static_cast<off_t>(offset_));
    if (got < 0) return file_error("-D");
    piece.resize(static_cast<size_t>(got));
    offset_ += piece.size();
    if (piece.empty() && !last_was_newline_) {
      last_was_newline_ = true;
      return std::string("\r\n");
    }
    if (!piece.empty()) last_was_newline_ = piece.back() == '\n';
    if (wire_format_) return piece;
    std::string out;
    out.reserve(piece.size() + piece.size() / 16);
    for (const char c : piece) {
      if (c == '\n') out += '\r';
      out += c;
    }
    return out;
  }

 private:
  std::string first_line_;
  UniqueFd file_;
  uint64_t offset_ = 0;
  bool wire_format_;
  bool started_ = false;
  bool last_was_newline_ = true;
};

// Leaves out the recipients that are done; the rest of what is done goes to `children`.
void drop_done(EnvelopeText& text, std::vector<std::string>& children) {
  Envelope& envelope = text.envelope;
  std::vector<bool> gone(envelope.recipients.size());
  for (const uint32_t index : text.state.done) gone[index] = true;
  for (const std::string& address : text.state.others_done) {
    bool is_recipient = false;
    for (size_t i = 0; i < gone.size(); ++i) {
      if (!equals_ignore_case(envelope.recipients[i].address, address)) continue;
      gone[i] = is_recipient = true;
    }
    if (!is_recipient) children.push_back(address);
  }
  std::vector<EnvelopeRecipient> left;
  for (size_t i = 0; i < gone.size(); ++i) {
    if (!gone[i]) left.push_back(std::move(envelope.recipients[i]));
  }
  envelope.recipients = std::move(left);
}

}  // namespace

Task<void> Exchange::settle() {
  auto making = [path = folder()] { return ::mkdir(path.c_str(), 0750) == 0; };
  auto making_job = blocking(loop_, making);
  const bool made = co_await making_job;
  if (made) co_return;
  FindCall find{folder(), loop_.clock().wall()};
  const std::vector<Pair> pairs = co_await blocking(loop_, std::move(find));
  for (const Pair& pair : pairs) {
    if (!pair.is_claimed) continue;
    IsAbandonedCall asking{pair};
    const bool is_abandoned = co_await blocking(loop_, std::move(asking));
    if (!is_abandoned) continue;
    Result<void> done;
    if (queue_.has(pair.id)) {
      RemoveCall remove{pair};
      done = co_await blocking(loop_, std::move(remove));
    } else {
      GiveBackCall give_back{pair};
      done = co_await blocking(loop_, std::move(give_back));
    }
    if (!done) log_.panic(LogEvent::spool, pair.id.text(), done.error().to_string());
  }
}

Task<void> Exchange::take_in() {
  if (is_busy_) co_return;
  is_busy_ = true;
  FindCall find{folder(), loop_.clock().wall()};
  const std::vector<Pair> pairs = co_await blocking(loop_, std::move(find));
  bool is_any = false;
  for (const Pair& pair : pairs) {
    if (pair.is_claimed || !pair.is_whole || is_stopping_) continue;
    const auto known = malformed_.find(name_of(pair));
    if (known != malformed_.end() && known->second.changed == pair.changed) {
      const bool is_kept =
          loop_.clock().wall() - known->second.since <= Millis(config_.options().keep_malformed);
      if (!is_kept) co_await remove_malformed(pair);
      continue;
    }
    co_await take(pair);
    is_any = true;
  }
  if (is_any) queue_.start();
  is_busy_ = false;
}

void Exchange::tell_once(const Pair& pair, const std::string& text, LogFiles files) {
  const std::string mark = name_of(pair) + " " + std::to_string(pair.changed.micros);
  if (!told_.insert(mark).second) return;
  log_.write({LogEvent::spool, files, pair.id.text(), text, {}});
}

Task<void> Exchange::take(const Pair& pair) {
  if (queue_.has(pair.id)) {
    tell_once(pair,
              "a message with this id is in the queue: input/ is looked at again when it has gone",
              LogFiles::main);
    co_return;
  }
  ClaimCall claim{pair};
  const Result<UniqueFd> claimed = co_await blocking(loop_, std::move(claim));
  if (!claimed) {
    const bool is_taken =
        claimed.error().code() == Errc::locked || claimed.error().code() == Errc::not_found;
    if (!is_taken) tell_once(pair, claimed.error().to_string(), LogFiles::main_and_panic);
    co_return;
  }
  Pair mine = pair;
  mine.is_claimed = true;
  const Result<void> stored = co_await store_pair(mine);
  if (stored) co_return;
  GiveBackCall give_back{pair};
  const Result<void> given_back = co_await blocking(loop_, std::move(give_back));
  if (!given_back) log_.panic(LogEvent::spool, pair.id.text(), given_back.error().to_string());
  refuse(pair, stored.error());
}

void Exchange::refuse(const Pair& pair, const Error& error) {
  if (error.code() == Errc::malformed) {
    malformed_[name_of(pair)] = {loop_.clock().wall(), pair.changed};
    log_.panic(LogEvent::spool, pair.id.text(),
               "Format error in spool file " + pair.id.to_string() + "-H: " + error.detail());
    return;
  }
  tell_once(pair, "cannot take in the pair of input/: " + error.to_string(),
            LogFiles::main_and_panic);
}

Task<void> Exchange::remove_malformed(const Pair& pair) {
  RemoveCall remove{pair};
  const Result<void> removed = co_await blocking(loop_, std::move(remove));
  log_.panic(
      LogEvent::spool, pair.id.text(),
      removed ? "malformed for longer than keep_malformed: removed" : removed.error().to_string());
  malformed_.erase(name_of(pair));
}

// The message is durable and its files are gone, or the error says why not.
Task<Result<void>> Exchange::store_pair(const Pair& pair) {
  ReadHeaderCall read{header_name(pair, true), journal_name(pair)};
  EnvelopeText text = co_await ok(co_await blocking(loop_, std::move(read)));
  if (text.envelope.message_id != pair.id.text())
    co_return Error(Errc::malformed, "the first line of the header file is wrong");
  std::vector<std::string> children;
  drop_done(text, children);
  Envelope& envelope = text.envelope;

  std::unique_ptr<spool::MessageWriter> writer = store_.begin(delivery::key_of(pair.id));
  message::HeaderScanner scanner;
  scanner.feed(text.header_section);
  scanner.feed("\r\n");
  auto body = std::make_shared<BodyReader>(pair, text.state.wire_format);
  for (;;) {
    auto reading = [body] { return body->next(); };
    auto job = blocking(loop_, reading);
    const std::string piece = co_await ok(co_await job);
    if (piece.empty()) break;
    scanner.feed(piece);
    co_await ok(writer->append(piece));
  }
  scanner.finish();
  envelope.body_8bit = scanner.has_8bit();
  envelope.message_bytes = text.header_section.size() + 2 + writer->body_bytes();
  std::optional<spool::StoredMessage> stored;
  if (!envelope.recipients.empty()) {
    stored.emplace(
        co_await ok(writer->commit(encode_envelope(envelope), std::move(text.header_section))));
  }
  RemoveCall remove{pair};
  const Result<void> removed = co_await blocking(loop_, std::move(remove));
  if (!removed) log_.panic(LogEvent::spool, pair.id.text(), removed.error().to_string());
  if (!stored) {
    log_.main(LogEvent::spool, pair.id.text(),
              "taken in from input/: nobody is left to deliver to");
    co_return Result<void>();
  }
  log_.main(LogEvent::spool, pair.id.text(), "taken in from input/");
  queue_.on_message(stored->ref, stored->key, stored->envelope_bytes, stored->header_bytes,
                    stored->body_bytes, envelope.received);
  std::vector<std::string> changes;
  for (const std::string& child : children)
    changes.push_back(encode_text(delivery::ChangeKind::child, child));
  if (text.state.frozen_at.micros != 0)
    changes.push_back(encode_number(delivery::ChangeKind::frozen, text.state.frozen_at.micros));
  if (text.state.warnings != 0)
    changes.push_back(encode_number(delivery::ChangeKind::warned, text.state.warnings));
  for (std::string& change : changes) {
    queue_.on_update(stored->ref, stored->key, change);
    store_.update(stored->ref, std::move(change));
  }
  co_return Result<void>();
}

}  // namespace godwit::daemon
