#include "core/io/stream.h"

#include <utility>

namespace godwit {

ByteStream::~ByteStream() {
  GODWIT_ASSERT(!reader_ && !writer_);
}

void ByteStream::interrupt_reads() noexcept {
  if (reads_interrupted_) return;
  reads_interrupted_ = true;
  if (!reader_) return on_reads_interrupted();  // may destroy the stream
  on_reads_interrupted();
  if (!read_error_) read_error_.emplace(Errc::cancelled, "reading was interrupted");
  resume_reader();
}

void ByteStream::wake_reader() {
  if (!reader_) return;
  woken_ = true;
  resume_reader();
}

void ByteStream::resume_reader() {
  if (reader_) std::exchange(reader_, {}).resume();
}

void ByteStream::resume_writer() {
  if (writer_) std::exchange(writer_, {}).resume();
}

Result<std::string_view> ByteStream::take_read() {
  if (std::exchange(woken_, false)) return Error(Errc::cancelled, "the reader was woken");
  if (read_error_) return *read_error_;
  if (reads_interrupted_) return Error(Errc::cancelled, "reading was interrupted");
  return std::exchange(read_view_, {});
}

Result<void> ByteStream::take_write() {
  if (write_error_) return *write_error_;
  return {};
}

}  // namespace godwit
