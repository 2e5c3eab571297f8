#include "core/spool/pending_record.h"

#include "core/spool/crc32c.h"
#include "core/spool/limits.h"

#include <cstring>

namespace godwit::spool {
namespace {

constexpr char kZeros[kRecordAlignment] = {};
static_assert(kBlockBytes % kDirectAlignment == 0, "padding makes batches fit for direct writes");

}  // namespace

char* AlignedBuffer::room_for(size_t bytes) {
  if (bytes <= bytes_) return memory_.get();
  const size_t rounded = (bytes + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
  memory_.reset(static_cast<char*>(std::aligned_alloc(kDirectAlignment, rounded)));
  bytes_ = memory_ == nullptr ? 0 : rounded;
  return memory_.get();
}

void BatchJob::reset(const Segment& segment, bool sync) {
  records_.clear();
  parts_.clear();
  padding_.clear();
  file_ = segment.file;
  direct_ = segment.direct;
  has_earlier_ = is_direct_ = is_direct_refused_ = false;
  salt_ = segment.salt;
  offset_ = segment.end;
  sync_ = sync;
  bytes_written_ = 0;
  result_ = {};
}

void BatchJob::run() noexcept {
  for (const RecordPtr& record : records_) {
    complete(*record);
    gather(*record);
  }
  if (!padding_.empty()) {
    const std::string_view zeros = std::string_view(padding_).substr(kRecordHeaderBytes);
    padding_header_.payload_crc = crc32c(salt_, zeros);
    encode_header(padding_header_, salt_, padding_.data());
    add_part(padding_);
  }
  result_ = may_write_directly() ? write_directly() : write_cached();
}

void BatchJob::pad(const RecordHeader& header) {
  padding_header_ = header;
  padding_.assign(kRecordHeaderBytes + header.payload_bytes, '\0');
}

bool BatchJob::may_write_directly() const {
  return direct_ != nullptr && sync_ && !has_earlier_ && bytes_written_ > 0 &&
         bytes_written_ <= kDirectBytesMax && offset_ % kDirectAlignment == 0 &&
         bytes_written_ % kDirectAlignment == 0;
}

Result<void> BatchJob::write_directly() {
  char* const all = buffer_.room_for(bytes_written_);
  if (all == nullptr) return write_cached();
  char* to = all;
  for (const iovec& part : parts_) {
    std::memcpy(to, part.iov_base, part.iov_len);
    to += part.iov_len;
  }
  Files& files = direct_->files();
  Result<void> done =
      files.write_synced(direct_->id(), std::string_view(all, bytes_written_), offset_);
  is_direct_refused_ = !done && done.error().code() == Errc::unsupported;
  if (is_direct_refused_) return write_cached();
  is_direct_ = true;
  return done;
}

Result<void> BatchJob::write_cached() {
  Result<void> done = write_all(file_->files(), file_->id(), parts_, offset_);
  if (done && sync_) done = file_->files().sync_data(file_->id());
  return done;
}

void BatchJob::complete(PendingRecord& record) {
  char* head = record.head.data();
  if (record.type == RecordType::message) {
    MessageFixed& fixed = record.fixed;
    fixed.envelope_crc = crc32c(0, record.bytes->envelope);
    fixed.header_crc = crc32c(0, record.bytes->header_section);
    fixed.updates_crc = crc32c(0, record.updates);
    if ((record.flags & kFlagLargeBody) == 0) {
      fixed.body_crc = 0;
      for (const auto& chunk : record.bytes->body) {
        fixed.body_crc = crc32c(fixed.body_crc, chunk.view());
      }
    }
    encode_message_fixed(fixed, head + kRecordHeaderBytes);
  }
  const std::string_view payload = std::string_view(record.head).substr(kRecordHeaderBytes);
  record.header.payload_crc = crc32c(salt_, payload);
  encode_header(record.header, salt_, head);
}

void BatchJob::gather(const PendingRecord& record) {
  add_part(record.head);
  if (record.type == RecordType::message) {
    add_part(record.bytes->envelope);
    add_part(record.bytes->header_section);
    add_part(record.updates);
    if ((record.flags & kFlagLargeBody) == 0) {
      for (const auto& chunk : record.bytes->body) add_part(chunk.view());
    }
  }
  const uint32_t unpadded = kRecordHeaderBytes + record.header.payload_bytes;
  add_part(std::string_view(kZeros, record.header.record_bytes() - unpadded));
}

void BatchJob::add_part(std::string_view bytes) {
  if (bytes.empty()) return;
  parts_.push_back({const_cast<char*>(bytes.data()), bytes.size()});
  bytes_written_ += bytes.size();
}

}  // namespace godwit::spool
