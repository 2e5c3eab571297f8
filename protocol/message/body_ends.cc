#include "protocol/message/body_ends.h"

#include "protocol/message/limits.h"

#include <algorithm>

namespace godwit::message {
namespace {

std::string shown(std::string_view wire, bool newlines) {
  std::string out;
  out.reserve(wire.size());
  for (size_t i = 0; i < wire.size(); ++i) {
    const char c = wire[i];
    if (c == '\r' && wire.substr(i + 1).starts_with('\n')) continue;
    out += c == '\0' || (c == '\n' && !newlines) ? ' ' : c;
  }
  return out;
}

}  // namespace

BodyEnds::BodyEnds(int64_t visible)
    : visible_(static_cast<size_t>(std::clamp<int64_t>(visible, 0, kBodyVisibleMax))),
      room_(2 * visible_ + 1) {}

void BodyEnds::feed(std::string_view wire) {
  start_ += wire.substr(0, room_ - std::min(room_, start_.size()));
  if (wire.size() >= room_) {
    end_ = wire.substr(wire.size() - room_);
    return;
  }
  end_ += wire;
  if (end_.size() > 2 * room_) end_.erase(0, end_.size() - room_);
}

std::string BodyEnds::start(bool newlines) const {
  return shown(start_, newlines).substr(0, visible_);
}

std::string BodyEnds::end(bool newlines) const {
  std::string out = shown(end_, newlines);
  return out.substr(out.size() - std::min(visible_, out.size()));
}

}  // namespace godwit::message
