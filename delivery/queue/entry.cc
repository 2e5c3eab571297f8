#include "delivery/queue/entry.h"

#include <algorithm>
#include <cstring>

namespace godwit::delivery {
namespace {

template <class T>
void append_raw(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

template <class T>
bool take_raw(std::string_view& bytes, T& value) {
  if (bytes.size() < sizeof value) return false;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return true;
}

}  // namespace

bool Progress::is_done(uint32_t recipient) const noexcept {
  return std::binary_search(done.begin(), done.end(), recipient);
}

void Progress::set_done(uint32_t recipient) {
  const auto at = std::lower_bound(done.begin(), done.end(), recipient);
  if (at == done.end() || *at != recipient) done.insert(at, recipient);
}

bool Progress::is_child_done(std::string_view key) const noexcept {
  return std::binary_search(done_children.begin(), done_children.end(), key);
}

void Progress::set_child_done(std::string_view key) {
  const auto at = std::lower_bound(done_children.begin(), done_children.end(), key);
  if (at == done_children.end() || *at != key) done_children.emplace(at, key);
}

std::string encode_done(const std::vector<uint32_t>& recipients) {
  std::string out(1, static_cast<char>(ChangeKind::done));
  for (uint32_t recipient : recipients) append_raw(out, recipient);
  return out;
}

std::string encode_number(ChangeKind kind, int64_t value) {
  std::string out(1, static_cast<char>(kind));
  append_raw(out, value);
  return out;
}

std::string encode_text(ChangeKind kind, std::string_view text) {
  std::string out(1, static_cast<char>(kind));
  out += text;
  return out;
}

Result<void> apply_change(QueueEntry& entry, std::string_view payload) {
  if (payload.empty()) return Error(Errc::malformed, "empty change of a message");
  const auto kind = static_cast<ChangeKind>(payload.front());
  payload.remove_prefix(1);
  int64_t number = 0;
  switch (kind) {
    case ChangeKind::done:
      for (uint32_t recipient = 0; take_raw(payload, recipient);)
        entry.need_progress().set_done(recipient);
      return payload.empty() ? Result<void>() : Error(Errc::malformed, "list of recipients");
    case ChangeKind::schedule:
      if (!take_raw(payload, number)) break;
      entry.next_attempt.micros = number;
      entry.tried = true;
      return {};
    case ChangeKind::frozen:
      if (!take_raw(payload, number)) break;
      entry.frozen = number != 0;
      entry.need_progress().frozen_at.micros = number;
      return {};
    case ChangeKind::warned:
      if (!take_raw(payload, number)) break;
      entry.need_progress().warnings_sent = static_cast<uint8_t>(number);
      return {};
    case ChangeKind::released:
      entry.need_progress().released = true;
      return {};
    case ChangeKind::sender:
      entry.need_progress().new_sender = payload;
      return {};
    case ChangeKind::recipient:
      entry.need_progress().added.emplace_back(payload);
      return {};
    case ChangeKind::in_doubt:
      entry.need_progress().in_doubt_host = payload;
      return {};
    case ChangeKind::queue:
      entry.need_progress().queue_name = payload;
      return {};
    case ChangeKind::header_domain:
      entry.need_progress().header_domains.emplace_back(payload);
      return {};
    case ChangeKind::child:
      entry.need_progress().set_child_done(payload);
      return {};
  }
  return Error(Errc::malformed, "change of a message");
}

}  // namespace godwit::delivery
