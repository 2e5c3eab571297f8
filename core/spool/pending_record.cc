#include "core/spool/pending_record.h"

#include "core/spool/crc32c.h"

namespace godwit::spool {
namespace {

constexpr char kZeros[kRecordAlignment] = {};

}  // namespace

void BatchJob::reset(const Segment& segment, bool sync) {
  records_.clear();
  parts_.clear();
  file_ = segment.file;
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
  result_ = write_all(file_->files(), file_->id(), parts_, offset_);
  if (result_ && sync_) result_ = file_->files().sync_data(file_->id());
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
