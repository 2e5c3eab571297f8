#include "tests/support/memory_stream.h"

namespace godwit::test {

MemoryStream::~MemoryStream() {
  close();
}

void MemoryStream::push(std::string_view bytes) {
  incoming_.append(bytes);
  while (is_read_awaited() && !incoming_.empty()) {
    try_read();
    resume_reader();
  }
}

void MemoryStream::push_end() {
  ended_ = true;
  resume_reader();
}

void MemoryStream::push_error(Errc code) {
  set_read_error(Error(code, "scripted"));
  resume_reader();
}

std::string MemoryStream::take_written() {
  return std::exchange(written_, {});
}

void MemoryStream::fail_writes_after(size_t bytes, Errc code) {
  write_left_ = bytes;
  write_failure_ = code;
}

void MemoryStream::expire_deadline() {
  deadline_ = Instant::never();
  set_read_error(Error(Errc::timed_out, "nothing was received"));
  resume_reader();
}

void MemoryStream::close() noexcept {
  if (closed_) return;
  closed_ = true;
  set_read_error(Error(Errc::cancelled, "the connection was closed here"));
  resume_reader();
}

bool MemoryStream::try_read() {
  if (incoming_.empty()) return has_read_error() || reads_interrupted() || ended_;
  handed_ = incoming_.substr(0, read_size_max_);
  incoming_.erase(0, handed_.size());
  set_read(handed_);
  return true;
}

bool MemoryStream::try_write(std::span<const std::string_view> parts) {
  for (std::string_view part : parts) {
    const std::string_view taken = part.substr(0, write_left_);
    written_.append(taken);
    if (write_left_ != static_cast<size_t>(-1)) write_left_ -= taken.size();
    if (taken.size() == part.size()) continue;
    set_write_error(Error(write_failure_, "scripted"));
    break;
  }
  return true;
}

}  // namespace godwit::test
